import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cleanText, redactFields } from "./redact.ts";

const canary = "c4n4ry-5up3r-s3cr3t";
const jwt = `eyJhbGciOiJFZERTQSJ9.${Buffer.from(canary).toString("base64url")}.c2lnbmF0dXJl`;

describe("redaction", () => {
  test.each([
    ["a bearer token", `Authorization: Bearer ${canary}`],
    ["a bearer token in any case", `bEaReR    ${canary} and more`],
    ["a bearer token behind a line feed", `Bearer\n${canary}`],
    ["basic credentials", `Basic ${canary}`],
    ["one of our keys", `sbk_${canary.replaceAll("-", "_")}`],
    ["a password in a URL", `https://user:${canary}@example.com/x`],
    ["a token in a query", `https://example.com/cb?state=1&access_token=${canary}&x=1`],
    ["a private key", `-----BEGIN EC PRIVATE KEY-----\n${canary}\n-----END EC PRIVATE KEY-----`],
    ["a private key whose end was cut", `-----BEGIN PRIVATE KEY-----\n${canary}`],
  ])("removes %s from a value", (_, text) => {
    expect(cleanText(text)).not.toContain(canary);
    expect(cleanText(text)).not.toContain(canary.replaceAll("-", "_"));
    expect(cleanText(text)).toContain("[secret]");
  });

  test("removes a JWT, also one that was cut", () => {
    for (const text of [jwt, jwt.slice(0, 30), jwt.split(".").slice(0, 2).join("."), `token is ${jwt}!`]) {
      expect(cleanText(text)).not.toContain(jwt.slice(5, 18));
    }
  });

  test.each([
    "token",
    "accessToken",
    "client_secret",
    "Password",
    "passwd",
    "Authorization",
    "set-cookie",
    "apiKey",
    "api-key",
    "x-api-key",
    "credential",
    "privateKey",
    "Mcp-Session-Id",
    "salt",
    "kek",
  ])("removes the value under the key %s", (key) => {
    const out = JSON.stringify(redactFields({ outer: [{ [key]: canary }], [key]: { nested: canary } }));
    expect(out).not.toContain(canary);
  });

  test("keeps what only sounds secret", () => {
    expect(redactFields({ estimatedTokens: 12, progressToken: "p1" })).toEqual({
      estimatedTokens: 12,
      progressToken: "p1",
    });
  });

  test("takes errors apart with their causes and keeps secrets out of them", () => {
    const error = new Error("outer", { cause: new Error(`401 for Bearer ${canary}`) });
    const out = JSON.stringify(redactFields({ error }));
    expect(out).toContain("outer");
    expect(out).toContain("401 for Bearer [secret]");
    expect(out).not.toContain(canary);
  });

  test("makes a second line or a terminal command visible instead of letting it work", () => {
    const text = cleanText('a\r\n{"level":"info"}\u001b[31mred\u001b[0m\u2028b\u202ec\u0000\u0085\ufeff');
    // eslint-disable-next-line no-control-regex -- that is what must be gone
    expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e\ufeff]/);
    expect(text).toContain("␍␊");
  });

  test("is bounded in length, depth, width and by circles", () => {
    expect(cleanText("x".repeat(1_000_000)).length).toBeLessThan(5000);
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    expect(JSON.stringify(redactFields(circle))).toContain("[circular]");
    let deep: Record<string, unknown> = {};
    for (let i = 0; i < 10_000; i++) deep = { deep };
    expect(JSON.stringify(redactFields(deep)).length).toBeLessThan(500);
    const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]));
    expect(Object.keys(redactFields(wide)).length).toBeLessThan(70);
    expect(JSON.stringify(redactFields({ bytes: new Uint8Array(1e6) })).length).toBeLessThan(100);
  });

  test("does not let a field stand in for the line's own", () => {
    expect(redactFields({ level: "fatal", time: 1, msg: "x" })).toEqual({
      level_: "fatal",
      time_: 1,
      msg_: "x",
    });
  });

  test("gets through text made to make patterns slow", () => {
    // Two million characters: quadratic work would not end within the test's own time limit.
    for (const part of ["Bearer ", "://a", "eyJ", "-----BEGIN ", "&key", "?", "eyJaaaaaa."]) {
      const text = part.repeat(Math.ceil(2_000_000 / part.length));
      expect(cleanText(text, 2_000_000).length).toBeGreaterThan(0);
    }
  });

  test("whatever comes in, what comes out is one line of JSON without the canary", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.anything()), fc.string(), (fields, noise) => {
        const out = JSON.stringify(
          redactFields({ ...fields, noise: `${noise} Bearer ${canary}`, password: canary }),
        );
        expect(out).not.toContain(canary);
        // eslint-disable-next-line no-control-regex -- that is what must be gone
        expect(out).not.toMatch(/[\u0000-\u001f\u2028\u2029]/);
        JSON.parse(out);
      }),
    );
  });
});
