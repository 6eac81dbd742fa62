import { describe, expect, test } from "vitest";
import { developmentDefaults } from "./production.ts";
import { accepted, problems } from "./config.fixture.ts";

describe("data in PostgreSQL", () => {
  const postgres = (yaml: string, env: Record<string, string> = {}) =>
    accepted(`data: { directory: d, postgres: ${yaml} }`, env);

  test("is an address with a password from the environment or a file, and paths from the file's directory", () => {
    const { data } = postgres(
      "{ url: '${env:DATABASE_URL}', pooler: transaction, tls: { caFile: ca.pem } }",
      { DATABASE_URL: "postgres://u:hunter2@db.example.com/signalbox" },
    );
    expect(data.postgres).toEqual({
      url: "postgres://u:hunter2@db.example.com/signalbox",
      schema: "signalbox",
      pooler: "transaction",
      readConnections: 4,
      tls: { caFile: "/etc/signalbox/ca.pem" },
      hasLiteralPassword: false,
    });
    const { passwordFile } = postgres("{ host: db, passwordFile: secret }").data.postgres ?? {};
    expect(passwordFile).toBe("/etc/signalbox/secret");
    expect(accepted("data: { directory: d }").data).not.toHaveProperty("postgres");
  });

  test("says what is wrong with it, and never the password", () => {
    const wrong = (yaml: string) => problems(`data: { postgres: ${yaml} }`);
    expect(wrong("{ database: x }")).toEqual(["1 data.postgres: names no url and no host"]);
    expect(wrong("{ url: 'mysql://u:hunter2@h/d' }").join()).toMatch(
      /data\.postgres\.url: the value \(not shown\)/,
    );
    expect(wrong("{ url: 'postgres://u:hunter2@h/d?sslmode=disable' }").join()).not.toContain("hunter2");
    expect(wrong("{ host: h, password: a, passwordFile: b }").join()).toContain(
      "there is a password already",
    );
    expect(wrong("{ host: h, tls: { certFile: a } }").join()).toContain("certFile and keyFile go together");
    expect(wrong("{ host: h, poolr: none }").join()).toContain('did you mean "pooler"');
  });

  test("in production has its certificate verified and its password elsewhere", () => {
    const found = (yaml: string) =>
      developmentDefaults(postgres(yaml)).filter((line) => line.startsWith("data.postgres"));
    expect(found("{ host: db.example.com }")).toEqual([]);
    expect(found("{ host: 127.0.0.1, tls: { mode: off } }")).toEqual([]);
    expect(found("{ url: 'postgres://u:p@db.example.com/d', tls: { mode: require } }").join()).toMatch(
      /tls\.mode: with require.*a password stands in the file/,
    );
  });
});
