import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { requestBytes } from "../edge.fixture.ts";
import type { RequestParts } from "../edge.fixture.ts";
import { readPlain } from "./request.ts";

const bounds = { headerBytesMax: 4096, bodyBytesMax: 1000 };
const read = (chunk: Buffer) => readPlain(chunk, {} as Socket, bounds);
const of = (parts: RequestParts) => read(requestBytes({ body: "{}", ...parts }));
const withHeaders = (headers: RequestParts["headers"] & {}) => of({ headers });
const edited = (from: string, to: string) =>
  read(Buffer.from(requestBytes({ body: "{}" }).toString("latin1").replace(from, to), "latin1"));

describe("a plain request", () => {
  it("is read with its headers in lower case and its body", () => {
    expect(withHeaders({ "X-Trace": "a b  c", CONNECTION: "Keep-Alive" })).toMatchObject({
      method: "POST",
      url: "/mcp",
      headers: {
        host: "localhost",
        "mcp-method": "tools/call",
        "content-length": "2",
        "x-trace": "a b  c",
        connection: "Keep-Alive",
      },
      body: Buffer.from("{}"),
    });
  });

  it.each<[string, RequestParts]>([
    ["another method", { method: "PUT" }],
    ["another path", { path: "/mcp/" }],
    ["a query", { path: "/mcp?a" }],
    ["no host", { headers: { Host: undefined } }],
    ["no length", { headers: { "Content-Length": undefined } }],
    ["a shorter length", { headers: { "Content-Length": "1" } }],
    ["a length with a sign", { headers: { "Content-Length": "+2" } }],
    ["a length with a zero in front", { headers: { "Content-Length": "02" } }],
    ["a length twice", { headers: { "content-length": "2" } }],
    ["a list of lengths", { headers: { "Content-Length": "2, 2" } }],
    ["chunks beside a length", { headers: { "Transfer-Encoding": "chunked" } }],
    ["an encoded body", { headers: { "Content-Encoding": "gzip" } }],
    ["a wish to be asked first", { headers: { Expect: "100-continue" } }],
    ["an upgrade", { headers: { Upgrade: "websocket" } }],
    ["a connection that ends", { headers: { Connection: "close" } }],
    ["a connection that names headers", { headers: { Connection: "keep-alive, Authorization" } }],
    ["a header twice", { headers: { authorization: "Bearer token-b" } }],
    ["a header that every object has", { headers: { constructor: "x" } }],
    ["a header with an underscore", { headers: { __proto: "x" } }],
    ["a name with a blank", { headers: { "X A": "x" } }],
    ["an empty name", { headers: { "": "x" } }],
    ["an empty value", { headers: { "X-A": "" } }],
    ["a blank in front of a value", { headers: { "X-A": " x" } }],
    ["a blank behind a value", { headers: { "X-A": "x " } }],
    ["a tab", { headers: { "X-A": "a\tb" } }],
    ["a control character", { headers: { "X-A": "a\u0000b" } }],
    ["a line feed alone", { headers: { "X-A": "a\nX-B: b" } }],
    ["a carriage return alone", { headers: { "X-A": "a\rX-B: b" } }],
    ["a byte beyond ASCII", { headers: { "X-A": "é" } }],
    ["a line that goes on", { headers: { "X-A": "a\r\n b" } }],
    ["a line without a name", { headers: { "X-A": "a\r\nb" } }],
    ["too large a head", { headers: { "X-A": "a".repeat(5000) } }],
    [
      "too many headers",
      { headers: Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`X-${i}`, "a"])) },
    ],
    ["too large a body", { body: " ".repeat(1001) }],
    ["no body", { body: "" }],
  ])("has not %s", (_, parts) => {
    expect(of(parts)).toBe("other");
  });

  it.each([
    ["HTTP/1.1", "HTTP/1.0"],
    ["HTTP/1.1", "HTTP/1.1 "],
    ["POST /mcp", "post /mcp"],
    ["POST /mcp", "POST http://localhost/mcp"],
    ["POST /mcp", "\r\nPOST /mcp"],
    ["Host: ", "Host:"],
    ["Host: ", "Host : "],
    ["\r\nHost", "\nHost"],
  ])("has not %j as %j", (from, to) => {
    expect(edited(from, to)).toBe("other");
  });

  it("is whole and alone; of its beginning more is wanted", () => {
    const bytes = requestBytes({ body: "{}" });
    for (let end = 0; end < bytes.length; end++) expect(read(bytes.subarray(0, end))).toBe("more");
    expect(read(bytes)).toMatchObject({ method: "POST" });
    expect(read(Buffer.concat([bytes, bytes]))).toBe("other");
    expect(read(Buffer.concat([bytes, Buffer.from("\r\n")]))).toBe("other");
  });

  it("is not waited for when it cannot be one any more", () => {
    expect(read(Buffer.from("GET"))).toBe("other");
    expect(read(Buffer.from(`POST /mcp HTTP/1.1\n`))).toBe("other");
    expect(read(Buffer.from("POST /mcp HTTP/1.1\r\n".repeat(300)))).toBe("other");
    expect(of({ headers: { "Content-Length": "1001" } })).toBe("other");
    expect(of({ headers: { "Content-Length": "1000" } })).toBe("more");
  });
});
