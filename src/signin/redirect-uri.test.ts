import { describe, expect, test } from "vitest";
import { destinationOf, isRegistered, withParameters } from "./redirect-uri.ts";

describe("an address that a client may be called back at", () => {
  test.each([
    ["https://app.example/callback?tenant=1", { kind: "site", host: "app.example" }],
    ["https://app.example:8443/", { kind: "site", host: "app.example:8443" }],
    ["https://localhost:3000/cb", { kind: "this-machine", host: "localhost:3000" }],
    ["http://127.0.0.1:33418", { kind: "this-machine", host: "127.0.0.1:33418" }],
    ["http://localhost/callback", { kind: "this-machine", host: "localhost" }],
    ["http://[::1]:80/cb", { kind: "this-machine", host: "[::1]" }],
    ["https://App.example?x", { kind: "site", host: "app.example" }],
    ["cursor://anysphere.cursor-mcp/oauth/callback", { kind: "program", scheme: "cursor" }],
    ["vscode://ms/cb", { kind: "program", scheme: "vscode" }],
    ["com.example.app:/oauth2redirect", { kind: "program", scheme: "com.example.app" }],
  ])("%s", (uri, destination) => {
    expect(destinationOf(uri)).toEqual(destination);
  });

  test.each([
    "javascript:alert(1)",
    "javascript://x/%0aalert(1)",
    "JavaScript://x/",
    "data:text/html,x",
    "data://x/",
    "file:///etc/passwd",
    "blob:https://x/1",
    "vbscript://x/",
    "view-source:/x",
    "ms-word:/x",
    "MS-Settings:/x",
    "microsoft-edge:/x",
    "search:/x",
    "applescript:/x",
    "itms-services:/x",
    "googlechrome://x/",
    "git+ssh://x/",
    "mailto:/x",
    "http://app.example/cb",
    "http://127.0.0.1.evil.example/cb",
    "http://localhost.evil.example/",
    "http://192.168.1.4/cb",
    "http:127.0.0.1/cb",
    "https:app.example",
    "http://127.1/cb",
    "http://2130706433/cb",
    "http:///127.0.0.1/cb",
    "http://127.0.0.1:/cb",
    "https:///app.example/cb",
    "https://app%2eexample/cb",
    "https://me:secret@app.example/cb",
    "https://:@app.example/cb",
    "https://@app.example/cb",
    // A client that reads the first of two would take these for our answer, and `iss` for another server's.
    "https://app.example/cb?iss=https://evil.example",
    "http://127.0.0.1/cb?a=b&%69ss=x",
    "https://app.example/cb?code=x",
    "https://app.example/cb?state=x",
    "https://app.example/cb?error",
    "cursor://x/cb?iss=x",
    "https://app.example/cb#fragment",
    "https://app.example/cb#",
    "https://app.example\\@evil.example/",
    "https://a;script-src.example/",
    "https://a,b.example/",
    "https://bücher.example/",
    "https://app.example/ cb",
    "https://app.example/\ncb",
    " https://app.example/cb",
    "https://",
    "cursor:callback",
    "/callback",
    "callback",
    "",
    `https://app.example/${"x".repeat(1_024)}`,
  ])("is none: %j", (uri) => {
    expect(destinationOf(uri)).toBeNull();
  });

  test("is one of those it has named, to the letter; on this machine at any port", () => {
    const named = ["https://app.example/cb", "http://127.0.0.1:1/cb", "http://localhost/", "cursor://x/cb"];
    for (const uri of [
      ...named,
      "http://127.0.0.1:65535/cb",
      "http://127.0.0.1/cb",
      "http://localhost:7",
      "http://localhost:7/",
    ])
      expect([uri, isRegistered(uri, named)]).toEqual([uri, true]);
    for (const uri of [
      "https://app.example/cb/",
      "https://app.example/cb?x=1",
      "https://app.example:444/cb",
      "https://app.example/CB",
      "https://app.example/cb/../cb",
      "http://127.0.0.1:1/cb?x=1",
      "http://127.0.0.1:1/other",
      "http://localhost:1/cb",
      "http://[::1]:1/cb",
      "https://127.0.0.1:1/cb",
      "http://127.0.0.1:1/cb#x",
      "http://127.0.0.1:1/x/../cb",
      "http://127.0.0.1:1/%2e/cb",
      "http://127.1:1/cb",
      "http://:@127.0.0.1:1/cb",
      "http://127.0.0.1:1@evil.example/cb",
      "cursor://x/cb2",
      "cursor://x:1/cb",
    ])
      expect([uri, isRegistered(uri, named)]).toEqual([uri, false]);
  });

  test("keeps what stands there, with what is said put behind it", () => {
    expect(withParameters("https://x/cb?a=%20b+c", { code: "1&2" })).toBe("https://x/cb?a=%20b+c&code=1%262");
    expect(withParameters("cursor://x/cb", { iss: "http://y" })).toBe("cursor://x/cb?iss=http%3A%2F%2Fy");
  });
});
