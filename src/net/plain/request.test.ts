import { describe, expect, it } from "vitest";
import type { StreamRequest } from "../http-request.ts";
import { plainText } from "./request.ts";

const request = (over: Partial<StreamRequest> = {}) =>
  plainText({ method: "POST", path: "/mcp?a=1", headers: ["x-a", "b  c\td"], body: "{}", ...over }, "host:1");

describe("a plain request", () => {
  it("is one text with its length in bytes", () => {
    const head = "POST /mcp?a=1 HTTP/1.1\r\nhost: host:1\r\nconnection: keep-alive\r\nx-a: b  c\td\r\n";
    expect(request()).toEqual({ text: `${head}content-length: 2\r\n\r\n{}`, encoding: "latin1" });
    expect(request({ body: "ü" })).toEqual({ text: `${head}content-length: 2\r\n\r\nü`, encoding: "utf8" });
    expect(request({ body: "" })?.text).toMatch(/content-length: 0\r\n\r\n$/);
  });

  it.each<[string, Partial<StreamRequest>]>([
    ["another method", { method: "GET" }],
    ["no body", { body: null }],
    ["a body of bytes", { body: Buffer.from("{}") }],
    ["a path with a blank", { path: "/a b" }],
    ["a path with a line end", { path: "/a\r\nx: y" }],
    ["a path beyond ASCII", { path: "/é" }],
    ["a path without a slash", { path: "a" }],
    ["a name with a colon", { headers: ["x:", "y"] }],
    ["a name with a line end", { headers: ["x\r\ny", "z"] }],
    ["an empty name", { headers: ["", "x"] }],
    ["a value with a line end", { headers: ["x", "y\r\nz: z"] }],
    ["a value with a line feed", { headers: ["x", "y\nz"] }],
    ["an empty value", { headers: ["x", ""] }],
    ["a value with a blank behind", { headers: ["x", "y "] }],
    ["a value beyond ASCII", { headers: ["x", "é"] }],
    ["a name without a value", { headers: ["x"] }],
    ["another host", { headers: ["Host", "evil"] }],
    ["a length of its own", { headers: ["Content-Length", "1"] }],
    ["chunks", { headers: ["transfer-encoding", "chunked"] }],
    ["a wish to be asked first", { headers: ["expect", "100-continue"] }],
    ["an upgrade", { headers: ["upgrade", "websocket"] }],
    ["a connection that ends", { headers: ["connection", "close"] }],
  ])("has not %s", (_, over) => {
    expect(request(over)).toBeNull();
  });
});
