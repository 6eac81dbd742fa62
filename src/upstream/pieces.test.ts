import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deadlineIn, ManualClock, seededRandom } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { ServerId } from "../registry/index.ts";
import { noCapabilities, profileOf } from "../registry/index.ts";
import { backoffMs } from "./backoff.ts";
import { describedError } from "./error-texts.ts";
import type { UpstreamRequest } from "./exchange.ts";
import { headerValue } from "./http/header-value.ts";
import { findParamHeaders, paramHeaderValues } from "./http/param-headers.ts";
import { offeredTool } from "./list-tools.ts";
import { replyFrom } from "./reply.ts";
import { legacyCapabilities, modernEnvelope, requestText } from "./request-text.ts";
import { clearSecrets } from "./secrets.ts";
import { idAtEdges, LineReader } from "./stdio/line-reader.ts";
import { pickEnvironment } from "./stdio/environment.ts";
import { StderrTail } from "./stdio/stderr-tail.ts";
import { bounded } from "./trouble.ts";

describe("the line reader", () => {
  const read = (chunks: readonly Buffer[], bytesMax: number) => {
    const lines: string[] = [];
    const oversize: number[] = [];
    const reader = new LineReader(bytesMax, {
      onLine: (line) => lines.push(line.toString("latin1")),
      onOversize: (_head, _tail, bytes) => oversize.push(bytes),
    });
    for (const chunk of chunks) reader.feed(chunk);
    return { lines, oversize };
  };

  it("finds the same lines however the bytes are cut (property)", () => {
    const lineText = fc.string({ unit: fc.constantFrom("a", "b", "é", "{"), maxLength: 30 });
    fc.assert(
      fc.property(
        fc.array(lineText),
        fc.array(fc.nat(20)),
        fc.constantFrom("\n", "\r\n"),
        (lines, cuts, end) => {
          const bytes = Buffer.from(lines.map((line) => line + end).join(""), "latin1");
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) {
            chunks.push(bytes.subarray(at, at + cut));
            at += cut;
          }
          chunks.push(bytes.subarray(at));
          const found = read(chunks, 20);
          expect(found.lines).toEqual(
            lines.filter((line) => line !== "" && line.length + end.length - 1 <= 20),
          );
          expect(found.oversize).toHaveLength(
            lines.filter((line) => line.length + end.length - 1 > 20).length,
          );
        },
      ),
    );
  });

  it("tells whose answer a too long line is by its edges", () => {
    const middle = "x".repeat(5_000);
    const ends = (text: string): [Buffer, Buffer] => [
      Buffer.from(text.slice(0, 1024)),
      Buffer.from(text.slice(-1024)),
    ];
    expect(idAtEdges(...ends(`{"jsonrpc":"2.0","id":7,"result":{"t":"${middle}"}}`))).toBe(7);
    expect(idAtEdges(...ends(`{"id": 8 ,"result":{"t":"${middle}"}}`))).toBe(8);
    expect(idAtEdges(...ends(`{"result":{"t":"${middle}"},"jsonrpc":"2.0","id":9}`))).toBe(9);
    expect(idAtEdges(...ends(`{"result":{"t":"${middle}"},"id":9,"jsonrpc":"2.0"}`))).toBe(9);
    expect(idAtEdges(...ends(`{"result":{"t":"${middle}","u":{"id":9}}}`))).toBe(null);
    expect(idAtEdges(...ends(`{"result":{"t":"${middle}","id":9}}`))).toBe(null);
  });
});

const request = (over: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  server: {
    tenant: defaultTenant,
    id: "srv_1" as ServerId,
    name: "s",
    transport: { kind: "http", url: "http://x/", headers: {} },
    origin: "api",
    enabled: true,
    era: null,
    callTimeoutMs: 1,
    concurrencyMax: 1,
    resultBytesMax: 1,
    version: 1,
  },
  method: "tools/call",
  name: "t",
  argumentsText: "{}",
  meta: {},
  caller: "ada",
  deadline: deadlineIn(new ManualClock(), 1),
  signal: new AbortController().signal,
  advice: null,
  profile: noCapabilities,
  logLevel: null,
  round: null,
  onAsk: null,
  onLog: null,
  onProgress: null,
  mayDispatch: () => true,
  ...over,
});

describe("the text of a request", () => {
  it("is valid JSON that says what was asked, for any name, arguments and meta (property)", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.boolean(),
        fc.boolean(),
        (name, args, meta, isModern, hasProgress) => {
          const text = requestText(
            5,
            request({
              name,
              argumentsText: JSON.stringify(args),
              meta,
              onProgress: hasProgress ? () => undefined : null,
            }),
            isModern ? modernEnvelope("1") : "",
          );
          const parsed = JSON.parse(text) as {
            params: { name: string; arguments: unknown; _meta?: Record<string, unknown> };
          };
          expect(parsed.params.name).toBe(name);
          expect(parsed.params.arguments).toEqual(JSON.parse(JSON.stringify(args)));
          expect(parsed.params._meta?.["progressToken"]).toBe(hasProgress ? 5 : undefined);
          const version = parsed.params._meta?.["io.modelcontextprotocol/protocolVersion"];
          expect(version).toBe(isModern ? "2026-07-28" : undefined);
        },
      ),
    );
  });

  it("puts the parts where each method wants them", () => {
    const params = (over: Partial<UpstreamRequest>): unknown =>
      (JSON.parse(requestText(1, request(over), "")) as { params?: unknown }).params;
    expect(params({ method: "resources/read", name: "file:///a" })).toEqual({ uri: "file:///a" });
    expect(params({ method: "tools/list", name: null, argumentsText: null })).toBeUndefined();
    expect(
      params({ method: "tools/list", name: null, argumentsText: '{"cursor":"c"}', meta: { a: 1 } }),
    ).toEqual({
      cursor: "c",
      _meta: { a: 1 },
    });
    expect(params({ method: "x", name: null, argumentsText: "{}", meta: { a: 1 } })).toEqual({
      _meta: { a: 1 },
    });
  });
});

describe("the text of a request, by era", () => {
  const paramsOf = (over: Partial<UpstreamRequest>, envelope: string): Record<string, unknown> =>
    (JSON.parse(requestText(1, request(over), envelope)) as { params: Record<string, unknown> }).params;
  const able = profileOf({ sampling: { tools: {} }, extensions: { "com.example/x": { é: 1 } } });

  it("says what its caller can do, and what it wants to hear, in the newer era alone", () => {
    const meta = { traceparent: "t", "io.modelcontextprotocol/clientCapabilities": { roots: {} } };
    const over = { profile: able, logLevel: "debug", meta };
    expect(paramsOf(over, modernEnvelope("1"))["_meta"]).toEqual({
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "signalbox", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": able.capabilities,
      "io.modelcontextprotocol/logLevel": "debug",
      traceparent: "t",
    });
    expect(paramsOf(over, "")["_meta"]).toEqual({ traceparent: "t" });
  });

  it("carries another round in the newer era alone", () => {
    const round = { inputResponses: { __proto__x: { action: "accept" } }, requestState: "s" };
    expect(paramsOf({ round }, modernEnvelope("1"))).toMatchObject({ name: "t", arguments: {}, ...round });
    const stateless = paramsOf({ round: { ...round, requestState: null } }, modernEnvelope("1"));
    expect(stateless).not.toHaveProperty("requestState");
    expect(Object.keys(paramsOf({ round }, ""))).toEqual(["name", "arguments"]);
    const read = paramsOf({ method: "resources/read", name: "a:b", round }, modernEnvelope("1"));
    expect(read).toMatchObject({ uri: "a:b", ...round });
    expect(read).not.toHaveProperty("arguments");
  });

  it("names a prompt, a completion and a task where each era wants it", () => {
    expect(paramsOf({ method: "prompts/get", name: "p", argumentsText: '{"a":"1"}' }, "")).toEqual({
      name: "p",
      arguments: { a: "1" },
    });
    const completion = { ref: { type: "ref/prompt", name: "p" }, argument: { name: "a", value: "" } };
    const argumentsText = JSON.stringify(completion);
    expect(paramsOf({ method: "completion/complete", name: null, argumentsText }, "")).toEqual(completion);
    const task = paramsOf({ method: "tasks/get", name: "t1", argumentsText: '{"taskId":"t1"}' }, "");
    expect(task).toEqual({ taskId: "t1" });
  });

  it("declares to an older server what both eras know", () => {
    expect(legacyCapabilities(noCapabilities)).toEqual({});
    expect(
      legacyCapabilities(
        profileOf({
          roots: { listChanged: true },
          elicitation: { url: {} },
          sampling: "yes",
          tasks: {},
          unknown: {},
          extensions: { "io.modelcontextprotocol/tasks": {} },
        }),
      ),
    ).toEqual({ roots: {}, elicitation: { url: {} } });
  });
});

describe("answers of a server", () => {
  const answered = (method: string, value: Readonly<Record<string, unknown>>) =>
    replyFrom(JSON.stringify(value), value, request({ method }), "legacy");

  it.each([
    ["tools/call", "content"],
    ["prompts/get", "messages"],
    ["resources/read", "contents"],
  ])("to %s are garbage where their %s is no list", (method, list) => {
    for (const bad of ["text", null, 7, { type: "text", text: "alone" }])
      expect(answered(method, { [list]: bad })).toBe(`its ${list} is not a list`);
    for (const good of [{ [list]: [] }, { [list]: [{ type: "unheard-of" }] }, {}])
      expect(answered(method, good)).toMatchObject({ kind: "result", value: good });
  });
});

describe("errors of a server", () => {
  it("are told as our caller should read them", () => {
    const told = (code: number, data?: unknown): string =>
      describedError({ code, message: "m\u0000m", ...(data === undefined ? {} : { data }) }).message;
    expect(told(-32020)).toContain("Signalbox's request");
    expect(told(-32022)).toContain("protocol version of this connection");
    expect(told(-32021)).toBe("the client did not declare a capability that this needs: m m");
    const extensions = { "io.modelcontextprotocol/tasks": {} };
    expect(told(-32021, { requiredCapabilities: { roots: {}, extensions } })).toBe(
      "the client did not declare a capability that this needs: roots, extensions.io.modelcontextprotocol/tasks",
    );
    expect(told(-32602)).toBe("m\u0000m");
  });
});

describe("header values", () => {
  it("are visible ASCII whatever goes in, and come back the same (property)", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (value) => {
        const encoded = headerValue(value);
        expect(encoded).toMatch(/^[\t\u0020-\u007e]+$/);
        expect(encoded.trim()).toBe(encoded);
        const inner = /^=\?base64\?(.*)\?=$/.exec(encoded)?.[1];
        const decoded = inner === undefined ? encoded : Buffer.from(inner, "base64").toString("utf8");
        expect(decoded).toBe(value.toWellFormed());
      }),
    );
  });

  it("that look encoded are encoded once more", () => {
    expect(headerValue("=?base64?YQ==?=")).not.toBe("=?base64?YQ==?=");
  });

  it("are refused by schema where the specification refuses them", () => {
    const schema = (extra: unknown): Record<string, unknown> => ({
      type: "object",
      properties: { a: extra },
    });
    const annotated = { type: "string", "x-mcp-header": "A" };
    expect(findParamHeaders(schema(annotated))).toEqual([{ header: "Mcp-Param-A", path: ["a"] }]);
    expect(findParamHeaders(schema({ type: "string", default: annotated }))).toEqual([]);
    for (const bad of [
      { type: "string", "x-mcp-header": "has space" },
      { type: "string", "x-mcp-header": "a\r\nb" },
      { type: "string", "x-mcp-header": "" },
      { type: "number", "x-mcp-header": "A" },
      { "x-mcp-header": "A" },
      { type: "array", items: annotated },
      { anyOf: [annotated] },
      { $defs: { d: annotated } },
      { type: "object", properties: { a: annotated, b: { type: "integer", "x-mcp-header": "a" } } },
    ]) {
      expect(findParamHeaders(schema(bad))).toBe(null);
    }
  });

  it("of inherited or missing arguments do not exist", () => {
    const headers = [{ header: "Mcp-Param-A", path: ["constructor", "name"] }];
    expect(paramHeaderValues(headers, "{}")).toEqual([]);
    expect(paramHeaderValues(headers, null)).toEqual([]);
    expect(paramHeaderValues([{ header: "H", path: ["a"] }], '{"a":true}')).toEqual(["H", "true"]);
    expect(paramHeaderValues([{ header: "H", path: ["a"] }], '{"a":[1]}')).toEqual([]);
  });
});

describe("small pieces", () => {
  it("an offered tool is handed on as it was sent, unless it cannot be named or called", () => {
    const tool = { name: "t", inputSchema: {}, description: 7, icons: [], _meta: { a: 1 } };
    expect(offeredTool(tool)).toEqual(tool);
    for (const bad of [
      null,
      [],
      { name: "" },
      { name: "t" },
      { name: "t", inputSchema: [] },
      { name: "t", inputSchema: {}, outputSchema: 1 },
    ]) {
      expect(offeredTool(bad)).toBe(null);
    }
  });

  it("backing off doubles between half and all of the bound", () => {
    const random = seededRandom(7);
    for (let attempt = 0; attempt < 60; attempt++) {
      const full = Math.min(60_000, 500 * 2 ** attempt);
      const ms = backoffMs(attempt, 500, 60_000, random);
      expect(ms).toBeGreaterThanOrEqual(full / 2);
      expect(ms).toBeLessThanOrEqual(full + 1);
    }
  });

  it("reasons are one bounded line without control characters", () => {
    expect(bounded(`a\n\u001b[31mb\u0000c${"x".repeat(2_000)}`)).toHaveLength(500);
    expect(bounded("a\r\nb\u001b[0m")).toBe("a b [0m");
  });

  it("secrets are cleared everywhere, but not values too short to be one", () => {
    expect(clearSecrets("k=abcd1 abcd1 no", ["abcd1", "no"])).toBe("k=[secret] [secret] no");
  });

  it("children get names from the list and no others", () => {
    expect(
      pickEnvironment({
        PATH: "/bin",
        NODE_OPTIONS: "--x",
        LD_PRELOAD: "y",
        GITHUB_TOKEN: "z",
        HOME: undefined,
        NODE_EXTRA_CA_CERTS: "/etc/ca.pem",
        HTTPS_PROXY: "http://ada:password@proxy.example:3128",
      }),
    ).toEqual({
      PATH: "/bin",
      NODE_EXTRA_CA_CERTS: "/etc/ca.pem",
    });
  });

  it("stderr keeps the newest bytes, hands on a bounded number of lines and counts the rest", () => {
    const clock = new ManualClock();
    const lines: string[] = [];
    let dropped = 0;
    const tail = new StderrTail({
      bytesMax: 100,
      linesPerSecondMax: 3,
      clock,
      onLine: (line) => lines.push(line),
      onDropped: () => dropped++,
    });
    for (let i = 0; i < 10; i++) tail.feed(Buffer.from(`line ${i}\n`));
    expect(lines).toEqual(["line 0", "line 1", "line 2"]);
    expect(dropped).toBe(7);
    clock.advance(1_000);
    tail.feed(Buffer.from("half"));
    tail.feed(Buffer.from(" and half\n\n"));
    expect(lines.at(-1)).toBe("half and half");
    expect(tail.lastLine()).toBe("half and half");
    tail.feed(Buffer.from("TypeError: no such thing\n    at x.js:1\n\nNode.js v20.20.2\n"));
    expect(tail.lastLine()).toBe("TypeError: no such thing");
    tail.feed(Buffer.alloc(10_000, 120));
    expect(tail.text().length).toBeLessThanOrEqual(200);
  });
});
