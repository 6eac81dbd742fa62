import { classifyInboundRequest } from "@modelcontextprotocol/server";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codes } from "../../contract/index.ts";
import { classify } from "./classify.ts";
import { envelopeKeys } from "./envelope.ts";

const version = fc.constantFrom("2026-07-28", "2025-11-25", "2025-06-18", "2027-01-01", "", "nonsense");
const odd = fc.constantFrom<unknown>(null, 1, 1.5, "x", true, [], {}, ["x"], { name: 1 });
const mostly = (usual: fc.Arbitrary<unknown>, weight = 8) =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: odd });

const meta = fc.record(
  {
    [envelopeKeys.protocolVersion]: mostly(version),
    [envelopeKeys.clientCapabilities]: mostly(fc.constantFrom({}, { elicitation: {} })),
    [envelopeKeys.clientInfo]: mostly(fc.constantFrom({ name: "c", version: "1" }, { name: "c" })),
    [envelopeKeys.logLevel]: mostly(fc.constantFrom("info", "debug", "loud")),
    progressToken: mostly(fc.constantFrom<unknown>("p", 7)),
    traceparent: fc.constant("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
  },
  { requiredKeys: [] },
);
const params = fc.record(
  {
    name: mostly(fc.constant("echo")),
    arguments: mostly(fc.constant({})),
    protocolVersion: version,
    _meta: mostly(meta, 20),
  },
  { requiredKeys: [] },
);
const whole = fc.record(
  {
    jsonrpc: fc.constant("2.0"),
    id: fc.constantFrom<unknown>(1, "a"),
    method: fc.constantFrom("tools/call", "initialize", "notifications/initialized"),
    params,
  },
  { requiredKeys: ["jsonrpc", "method", "params"] },
);
const body = fc.record(
  {
    jsonrpc: mostly(fc.constant("2.0"), 40),
    id: mostly(fc.constantFrom<unknown>(1, "a"), 20),
    method: mostly(
      fc.constantFrom(
        "tools/call",
        "tools/list",
        "initialize",
        "server/discover",
        "notifications/initialized",
      ),
      20,
    ),
    params: mostly(params, 20),
    result: fc.constant({}),
    extra: fc.constant(1),
  },
  { requiredKeys: ["jsonrpc"] },
);
// Most messages are whole; the property should spend its time beyond the first check.
const message = fc.oneof({ weight: 1, arbitrary: body }, { weight: 4, arbitrary: whole });
const headers = fc.record(
  {
    protocolVersion: version,
    method: fc.constantFrom("tools/call", "tools/list", "initialize", "notifications/initialized"),
  },
  { requiredKeys: [] },
);

describe("classification", () => {
  test("puts every message into the same era, or refuses it with the same code, as the official SDK", () => {
    let compared = 0;
    fc.assert(
      fc.property(message, headers, (message, named) => {
        const theirs = classifyInboundRequest({
          httpMethod: "POST",
          body: message,
          ...(named.protocolVersion === undefined ? {} : { protocolVersionHeader: named.protocolVersion }),
          ...(named.method === undefined ? {} : { mcpMethodHeader: named.method }),
        });
        const ours = classify({ protocolVersion: named.protocolVersion, method: named.method }, message);
        compared++;
        if (theirs.kind === "reject") {
          expect(ours).toMatchObject({ kind: "rejected" });
          if (ours.kind === "rejected") expect(codes[ours.refusal.code].rpc).toBe(theirs.code);
        } else expect(ours.kind).toBe(theirs.kind);
      }),
      { numRuns: 5000 },
    );
    expect(compared).toBeGreaterThanOrEqual(5000);
  });

  test.each([
    ["a batch", [{ jsonrpc: "2.0", id: 1, method: "ping" }]],
    ["an empty batch", []],
    ["nothing", null],
    ["a string", "initialize"],
    ["an id that is null", { jsonrpc: "2.0", id: null, method: "ping" }],
    ["an id with a fraction", { jsonrpc: "2.0", id: 1.5, method: "ping" }],
    ["params that are a list", { jsonrpc: "2.0", id: 1, method: "ping", params: [] }],
    ["a method that is a number", { jsonrpc: "2.0", id: 1, method: 7 }],
  ])("refuses %s as malformed", (_, message) => {
    expect(classify({ protocolVersion: undefined, method: undefined }, message)).toMatchObject({
      kind: "rejected",
      refusal: { code: "malformed-request" },
    });
  });
});
