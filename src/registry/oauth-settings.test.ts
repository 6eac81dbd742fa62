import { describe, expect, test } from "vitest";
import type { OAuthSettings } from "./oauth-settings.ts";
import { serverProblems } from "./server-input.ts";

const issuer = "https://as.example";
const secret = { literal: "s" };

/** `field: message` for each problem of a server with this `auth`. */
const said = (auth: Partial<OAuthSettings>, headers = {}): string[] =>
  serverProblems({
    name: "files",
    transport: { kind: "http", url: "https://files.example/mcp", headers, auth: { kind: "oauth", ...auth } },
  }).map(({ path, message }) => `${path.slice(1).join(".")}: ${message}`);

describe("how a server lets us in", () => {
  test.each<[string, Partial<OAuthSettings>]>([
    ["nothing but its kind", {}],
    ["an issuer", { issuer }],
    ["an issuer on this machine", { issuer: "http://127.0.0.1:9000" }],
    ["a client with a secret", { issuer, clientId: "a", clientSecret: secret, secretMethod: "post" }],
    ["a client with a key", { issuer, clientId: "a", privateKey: { vault: "key" }, algorithm: "ES256" }],
    ["a client without either", { issuer, clientId: "https://a.example/client.json" }],
    ["its own account", { grant: "client-credentials", issuer, clientId: "a", clientSecret: secret }],
    ["scopes", { scopes: ["files:read", "https://a.example/scope"] }],
  ])("may be said with %s", (_, auth) => {
    expect(said(auth)).toEqual([]);
  });

  test.each<[Partial<OAuthSettings>, string]>([
    [{ issuer: "as.example" }, "auth.issuer: is not a URL"],
    [{ issuer: "http://as.example" }, "auth.issuer: must be https"],
    [{ issuer: "http://127.evil.example" }, "auth.issuer: must be https"],
    [{ issuer: `${issuer}?a=b` }, "auth.issuer: has a query or a fragment, which no issuer has"],
    [{ issuer: "https://u:p@as.example" }, "auth.issuer: carries a user name or password"],
    [{ clientId: "a" }, "auth.clientId: needs the issuer it is registered at"],
    [{ issuer, clientId: "a\nb" }, "auth.clientId: is not a client's id"],
    [{ clientSecret: secret }, "auth.clientSecret: needs a clientId"],
    [{ privateKey: secret, algorithm: "ES256" }, "auth.privateKey: needs a clientId"],
    [{ issuer, clientId: "a", privateKey: secret }, "auth.privateKey: needs its algorithm"],
    [{ algorithm: "ES256" }, "auth.algorithm: needs a privateKey"],
    [{ secretMethod: "basic" }, "auth.secretMethod: needs a clientSecret"],
    [
      { grant: "client-credentials" },
      "auth.grant: client-credentials needs a clientId with a clientSecret or a privateKey",
    ],
    [{ scopes: ["a b"] }, "auth.scopes: contains what is not a scope"],
    [{ scopes: Array.from({ length: 65 }, (_, i) => `s${i}`) }, "auth.scopes: 65 scopes; 64 are allowed"],
    [
      { issuer, clientId: "a", clientSecret: { vault: "_signalbox.oauth.srv_1" } },
      "auth.clientSecret: a vault name has 1-128 of A-Z a-z 0-9 . _ - and begins with a letter or digit",
    ],
  ])("%j is refused", (auth, problem) => {
    expect(said(auth)).toEqual([problem]);
  });

  test("cannot be said twice, nor with a secret and a key", () => {
    expect(said({}, { authorization: secret })).toEqual(["headers: authorization is set by `auth`"]);
    expect(
      said({ issuer, clientId: "a", clientSecret: secret, privateKey: secret, algorithm: "ES256" }),
    ).toEqual(["auth.privateKey: there is a clientSecret already"]);
  });
});
