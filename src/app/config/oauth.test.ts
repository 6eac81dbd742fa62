import { describe, expect, test } from "vitest";
import { developmentDefaults } from "./production.ts";
import { accepted, problems } from "./config.fixture.ts";

describe("how a server lets us in", () => {
  test("is read with its secrets as references", () => {
    const config = accepted(`
listen: { publicUrl: "https://box.example.com/" }
servers:
  github:
    url: https://mcp.example.com/mcp
    auth:
      kind: oauth
      issuer: https://as.example.com
      clientId: signalbox
      clientSecret: \${vault:github-client}
      scopes: [repo]
  robot:
    url: https://mcp.example.com/mcp
    auth:
      kind: oauth
      grant: client-credentials
      issuer: https://as.example.com
      clientId: robot
      privateKey: \${vault:robot.key}
      algorithm: ES256
      dpop: always
`);
    expect(config.listen.publicUrl).toBe("https://box.example.com");
    expect(config.servers.map(({ transport }) => "auth" in transport && transport.auth)).toEqual([
      {
        kind: "oauth",
        issuer: "https://as.example.com",
        clientId: "signalbox",
        clientSecret: { vault: "github-client" },
        scopes: ["repo"],
      },
      {
        kind: "oauth",
        grant: "client-credentials",
        issuer: "https://as.example.com",
        clientId: "robot",
        privateKey: { vault: "robot.key" },
        algorithm: "ES256",
        scopes: [],
        dpop: "always",
      },
    ]);
    expect(developmentDefaults(config).join(" ")).not.toContain("servers.");
  });

  test("has to fit, and each mistake is named at its place", () => {
    expect(
      problems(`
listen: { publicUrl: "https://box.example.com/sub" }
servers:
  a: { command: x, auth: { kind: oauth } }
  b: { url: "https://b.example", auth: { kind: basic } }
`).map((line) => line.replace(/ does not have.*/, "")),
    ).toEqual([
      '2 listen.publicUrl: "https://box.example.com/sub"',
      '4 servers.a.auth: belongs to a server with "url"',
      '5 servers.b.auth.kind: "basic" is not one of oauth',
    ]);
    expect(
      problems(`
servers:
  a: { url: "https://a.example", auth: { kind: oauth, clientId: x } }
  b: { url: "https://b.example", auth: { kind: oauth, issuer: "http://as.example" } }
  c: { url: "https://c.example", auth: { kind: oauth, grant: client-credentials } }
  d: { url: "https://d.example", headers: { Authorization: x }, auth: { kind: oauth } }
`),
    ).toEqual([
      "3 servers.a.auth.clientId: needs the issuer it is registered at",
      "4 servers.b.auth.issuer: must be https",
      "5 servers.c.auth.grant: client-credentials needs a clientId with a clientSecret or a privateKey",
      "6 servers.d.headers: authorization is set by `auth`",
    ]);
  });

  test("is not fit for production with a secret in the file or over plain http", () => {
    const found = developmentDefaults(
      accepted(`
listen: { host: 0.0.0.0, publicUrl: "http://box.example.com" }
data: { directory: d }
keys: { file: kek }
policies: { files: [a] }
servers:
  a:
    url: http://far.example/mcp
    auth: { kind: oauth, issuer: "https://as.example", clientId: x, clientSecret: s3cr3t-enough }
`),
    );
    expect(found.map((sentence) => sentence.split(":")[0])).toEqual([
      "listen.publicUrl",
      "servers.a.auth.clientSecret",
      "servers.a.url",
    ]);
    expect(found.join(" ")).not.toContain("s3cr3t");
  });
});
