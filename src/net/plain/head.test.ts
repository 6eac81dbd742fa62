import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { HeadReader } from "./head.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const bytesMax = 4096;
const read = (text: string) => new HeadReader(bytesMax).read(Buffer.from(text, "latin1"));
const usual = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nX-A: a b  c\r\n\r\n";
const withLine = (line: string) => read(usual.replace("\r\n\r\n", `\r\n${line}\r\n\r\n`));

describe("a plain head", () => {
  it("is read with its names in lower case and where its body is", () => {
    expect(read(`${usual}{}`)).toEqual({
      status: 200,
      headers: { "content-type": "application/json", "content-length": "2", "x-a": "a b  c" },
      length: 2,
      bodyAt: usual.length,
      closes: false,
      keepsMs: null,
    });
    expect(withLine("Connection: Close")).toMatchObject({ closes: true });
    expect(withLine("Connection: keep-alive\r\nKeep-Alive: max=5, timeout=7")).toMatchObject({
      closes: false,
      keepsMs: 7_000,
    });
    expect(withLine("Keep-Alive: timeout=0000001;max=5")).toMatchObject({ keepsMs: 1_000 });
    expect(withLine("Keep-Alive: for a while")).toMatchObject({ keepsMs: null });
    expect(read(usual.replace("OK", ""))).toMatchObject({ status: 200 });
    expect(read(usual.replace("200 OK", "503 Service Unavailable"))).toMatchObject({ status: 503 });
    expect(read(usual.replace("Length: 2", "Length: 0"))).toMatchObject({ length: 0 });
  });

  it.each([
    ["chunks beside a length", "Transfer-Encoding: chunked"],
    ["a length twice", "content-length: 2"],
    ["a header twice", "x-a: b"],
    ["an upgrade", "Upgrade: websocket"],
    ["headers behind the body", "Trailer: X-B"],
    ["a connection that names headers", "Connection: keep-alive, X-A"],
    ["a header that every object has", "constructor: x"],
    ["a header with an underscore", "__proto__: x"],
    ["a name with a blank", "X B: b"],
    ["a blank behind a name", "X-B : b"],
    ["no blank behind the colon", "X-B:b"],
    ["an empty name", ": b"],
    ["an empty value", "X-B: "],
    ["a blank in front of a value", "X-B:  b"],
    ["a blank behind a value", "X-B: b "],
    ["a tab", "X-B: a\tb"],
    ["a control character", "X-B: a\u0000b"],
    ["a line feed alone", "X-B: a\nX-C: c"],
    ["a carriage return alone", "X-B: a\rX-C: c"],
    ["a byte beyond ASCII", "X-B: \u00e9"],
    ["a line that goes on", "X-B: a\r\n b"],
    ["a line without a name", "b"],
    ["too many headers", Array.from({ length: 65 }, (_, i) => `X-${i}: a`).join("\r\n")],
    ["too many bytes", `X-B: ${"b".repeat(bytesMax)}`],
  ])("has not %s", (_, line) => {
    expect(withLine(line)).toBe("other");
  });

  it.each([
    ["HTTP/1.1", "HTTP/1.0"],
    ["HTTP/1.1", "http/1.1"],
    ["HTTP/1.1 200", "HTTP/1.1  200"],
    ["200 OK", "100 Continue"],
    ["200 OK", "101 Switching Protocols"],
    ["200 OK", "204 No Content"],
    ["200 OK", "205 Reset Content"],
    ["200 OK", "304 Not Modified"],
    ["200 OK", "600 What"],
    ["200 OK", "2000 OK"],
    ["200 OK", "200 \u00e9"],
    ["Content-Length: 2\r\n", ""],
    ["Length: 2", "Length: 02"],
    ["Length: 2", "Length: +2"],
    ["Length: 2", "Length: 2, 2"],
    ["Length: 2", "Length: 0x2"],
    ["Length: 2", "Length: 20000000000"],
    ["\r\nContent-Length", "\nContent-Length"],
  ])("has not %j as %j", (from, to) => {
    expect(read(usual.replace(from, to))).toBe("other");
  });

  it("is whole; of its beginning more is wanted, and of what cannot become one nothing", () => {
    for (let end = 0; end < usual.length; end++) expect(read(usual.slice(0, end))).toBe("more");
    expect(read("SSH-2.0")).toBe("other");
    expect(read(`HTTP/1.1 200 OK\r\n${"X-A: a\r\n".repeat(600)}`)).toBe("other");
  });

  it("is told apart from the one before", () => {
    const reader = new HeadReader(bytesMax);
    const lengths = ["2", "3", "x", "3", "2"].map((length) => {
      const head = reader.read(Buffer.from(usual.replace("Length: 2", `Length: ${length}`)));
      return typeof head === "string" ? head : head.length;
    });
    expect(lengths).toEqual([2, 3, "other", 3, 2]);
  });

  it("is not kept by whoever keeps one of its values", () => {
    const headOf = (id: number) =>
      usual.replace("a b  c", `session-with-the-number-${id}\r\nX-B: ${"b".repeat(3_000)}`);
    const kept: unknown[] = [];
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let id = 0; id < 2_000; id++) {
      const head = read(headOf(id));
      kept.push(typeof head === "string" ? head : head.headers["x-a"]);
    }
    collect();
    expect((process.memoryUsage().heapUsed - before) / kept.length).toBeLessThan(1_500);
    expect(kept.at(-1)).toBe("session-with-the-number-1999");
  });
});
