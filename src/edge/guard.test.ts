import { describe, expect, test } from "vitest";
import { bearerToken } from "./bearer.ts";
import { Guard } from "./guard.ts";

const guard = new Guard({
  host: "10.0.0.5",
  allowedHosts: ["Box.internal", "other.internal:8443", "fd00::7"],
  allowedOrigins: ["https://console.example.com"],
  publicUrl: "https://signalbox.example.com",
});

describe("Host and Origin", () => {
  test.each([
    "localhost",
    "localhost:7070",
    "127.0.0.1:1",
    "[::1]:7070",
    "LOCALHOST:7070",
    "box.internal:80",
    "other.internal:8443",
    "other.internal",
    "[fd00::7]:7070",
    "10.0.0.5:7070",
    "signalbox.example.com",
  ])("the host %s may pass", (host) => expect(guard.check(host, undefined)).toBeNull());

  test.each([
    undefined,
    "",
    "evil.example",
    "localhost.evil.example",
    "evil.example:7070",
    "localhost:7070:1",
    "localhost:",
    "localhost/",
    "user@localhost",
    "127.0.0.1.",
    "0.0.0.0",
    "[::1",
    "::1",
    " localhost",
    "localhost:7070, evil.example",
    "2130706433",
    "10.0.0.6",
    "fd00::7",
  ])("the host %j may not", (host) => {
    expect(guard.check(host, undefined)).toMatchObject({ code: "forbidden-origin" });
  });

  test.each(["0.0.0.0", "::"])("listening on %s allows no host by that name", (host) => {
    const open = new Guard({ host, allowedHosts: [], allowedOrigins: [], publicUrl: null });
    expect(open.check(host === "::" ? "[::]:7070" : `${host}:7070`, undefined)).not.toBeNull();
  });

  test.each([
    "http://localhost:3000",
    "https://127.0.0.1",
    "http://[::1]:5173",
    "https://console.example.com",
    "HTTP://LOCALHOST",
    "https://signalbox.example.com",
  ])("the origin %s may pass", (origin) => expect(guard.check("localhost", origin)).toBeNull());

  test.each([
    "null",
    "",
    "https://evil.example",
    "http://localhost.evil.example",
    "file://",
    "http://localhost@evil.example",
    "http://console.example.com",
    "https://console.example.com:444",
    "chrome-extension://abc",
    "localhost",
  ])("the origin %j may not", (origin) =>
    expect(guard.check("localhost", origin)).toMatchObject({ code: "forbidden-origin" }),
  );

  test("a host that was refused stays refused when asked again, and one that passed still passes", () => {
    for (let i = 0; i < 200; i++) {
      expect(guard.check(`localhost:${i + 1}`, undefined)).toBeNull();
      expect(guard.check(`evil${i}.example`, undefined)).not.toBeNull();
    }
  });
});

describe("the bearer token", () => {
  const longest = 100;
  test.each([
    [undefined, null],
    ["Bearer abc.def-_~+/==", "abc.def-_~+/=="],
    ["bearer abc", "abc"],
    ["BEARER   abc  ", "abc"],
    [`Bearer ${"a".repeat(longest)}`, "a".repeat(longest)],
  ])("of %j is %j", (header, token) => {
    expect(bearerToken(header, longest)).toEqual({ ok: true, value: token });
  });

  test.each([
    "",
    "Bearer",
    "Bearer ",
    "Basic abc",
    "abc",
    "Bearer a b",
    "Bearer a,b",
    "Bearer a=b",
    "Bearer é",
    "Bearer a\u0000",
    `Bearer ${"a".repeat(longest + 1)}`,
    "Bearerabc",
  ])("%j is refused and not told back", (header) => {
    const result = bearerToken(header, longest);
    expect(result).toMatchObject({ ok: false, refusal: { code: "unauthenticated" } });
  });
});
