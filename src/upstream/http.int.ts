import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpFixtureOptions } from "../../test/fixtures/servers/http.ts";
import { HttpFixture } from "../../test/fixtures/servers/http.ts";
import { faultOf, httpRecord, serverRecord, UpstreamHarness } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import { deadlineIn, Fault, systemClock, systemRandom } from "../base/index.ts";
import { Net } from "../net/index.ts";
import type { ServerRecord } from "../registry/index.ts";
import { Upstreams } from "./index.ts";

let harness: UpstreamHarness;
const fixtures: HttpFixture[] = [];

const open = (...options: ConstructorParameters<typeof UpstreamHarness>): UpstreamHarness =>
  (harness = new UpstreamHarness(...options));

async function serve(options: HttpFixtureOptions): Promise<HttpFixture> {
  const fixture = new HttpFixture(options);
  fixtures.push(fixture);
  await fixture.start();
  return fixture;
}

/** A fixture and its server, connected. */
async function connected(
  options: HttpFixtureOptions,
  over: Partial<ServerRecord> = {},
): Promise<{ fixture: HttpFixture; server: ServerRecord }> {
  const fixture = await serve(options);
  const server = httpRecord(fixture.url, over);
  await harness.connect(server);
  return { fixture, server };
}

afterEach(async () => {
  await harness.stop();
  expect(harness.net.poolCount).toBe(0);
  for (const fixture of fixtures.splice(0)) await fixture.stop();
});

describe.each([
  { name: "modern, JSON", options: { era: "modern" } },
  { name: "modern, event stream", options: { era: "modern", answersAs: "events" } },
  { name: "legacy, JSON, sessions", options: { era: "legacy", sessions: true } },
  { name: "legacy, event stream, no sessions", options: { era: "legacy", answersAs: "events" } },
  { name: "both eras", options: { era: "dual" } },
] satisfies { name: string; options: HttpFixtureOptions }[])("an HTTP server ($name)", ({ options }) => {
  it("is connected, listed and called, and gives exact results", async () => {
    open();
    const { server } = await connected(options);
    expect(harness.lastHealth(server).state).toBe("healthy");
    expect(harness.eras.get(server.id)).toBe(options.era === "legacy" ? "legacy" : "modern");
    expect(await harness.say(server, "echo", { a: "é" })).toBe('{"a":"é"}');
    expect(await harness.call(server, "exact")).toMatchObject({
      kind: "result",
      raw: '{ "content" : [ ] , "n":1.0e2, "u":"\\u00e9 é \\" }", "z":{} }',
    });
    expect(await harness.call(server, "error", { code: -32602 })).toMatchObject({ kind: "rejected" });
    expect(await harness.call(server, "error", { code: -32603 })).toMatchObject({ kind: "error" });
  });

  it("that answers with garbage, another id or too much gets the fault for it", async () => {
    open();
    const { server } = await connected(options, { resultBytesMax: 50_000 });
    for (const tool of ["garbage_answer", "duplicate_keys"]) {
      expect(await faultOf(harness.call(server, tool))).toMatchObject({
        code: "upstream-garbage",
        effect: "unknown",
      });
    }
    for (const bytes of [50_001, 5_000_000]) {
      const fault = await faultOf(harness.call(server, "huge", { bytes }));
      expect(fault).toMatchObject({ code: "result-too-large", effect: "done" });
    }
    expect(await harness.say(server, "huge", { bytes: 40_000 })).toHaveLength(40_000);
  });

  it("that breaks off is unknown; a withdrawn call reaches it; a late one is unknown", async () => {
    open();
    const { fixture, server } = await connected(options);
    expect(await faultOf(harness.call(server, "die"))).toMatchObject({
      code: "upstream-lost",
      effect: "unknown",
    });
    const caller = new AbortController();
    const withdrawn = faultOf(harness.call(server, "hang", {}, { signal: caller.signal }));
    await until(() => fixture.mcp.executed.get("hang") === 1);
    const abandonedBefore = fixture.abandoned;
    caller.abort();
    expect(await withdrawn).toMatchObject({ code: "cancelled", effect: "unknown" });
    await until(() => fixture.abandoned > abandonedBefore);
    if (options.era === "legacy") await until(() => fixture.mcp.cancelled.length === 1);
    const late = await faultOf(harness.call(server, "hang", {}, { deadline: deadlineIn(systemClock, 50) }));
    expect(late).toMatchObject({ code: "deadline-exceeded", effect: "unknown" });
    expect(await harness.say(server, "echo", {})).toBe("{}");
  });

  it("is told by the legacy era alone that a call's caller has gone, and its answer is still taken", async () => {
    open();
    const { fixture, server } = await connected(options);
    const isLegacy = options.era === "legacy";
    const tool = isLegacy ? "until_cancelled" : "slow";
    const caller = new AbortController();
    const answer = harness.say(server, tool, { ms: 100 }, { advice: caller.signal });
    await until(() => fixture.mcp.executed.get(tool) === 1);
    const abandonedBefore = fixture.abandoned;
    caller.abort();
    if (isLegacy) {
      const { executed, reason } = JSON.parse(await answer) as { executed: number; reason: string };
      expect(reason).toContain("the caller has gone");
      expect(fixture.mcp.cancelled).toEqual([executed]);
    } else {
      expect(await answer).toBe("slept");
      expect(fixture.mcp.cancelled).toEqual([]);
    }
    expect(fixture.abandoned).toBe(abandonedBefore);
    const over = { advice: caller.signal, deadline: deadlineIn(systemClock, 200) };
    const late = await faultOf(harness.call(server, "hang", {}, over));
    expect(late).toMatchObject({ code: "deadline-exceeded", effect: "unknown" });
    const answered = new AbortController();
    await harness.say(server, "echo", {}, { advice: answered.signal });
    answered.abort();
    // Some sweeps, in which neither the call that ended late nor the one that was answered is told of again.
    await harness.say(server, "slow", { ms: 100 });
    expect(fixture.mcp.cancelled).toHaveLength(isLegacy ? 2 : 0);
  });

  it("gets nothing of a call whose dispatch is forbidden, withdrawn or out of time", async () => {
    open();
    const { fixture, server } = await connected(options);
    const before = fixture.requests.length;
    const forbidden = await faultOf(harness.call(server, "echo", {}, { mayDispatch: () => false }));
    expect(forbidden).toMatchObject({ code: "deadline-before-dispatch", effect: "none" });
    const withdrawn = await faultOf(harness.call(server, "echo", {}, { signal: AbortSignal.abort() }));
    expect(withdrawn).toMatchObject({ code: "cancelled", effect: "none" });
    const late = await faultOf(harness.call(server, "echo", {}, { deadline: deadlineIn(systemClock, 0) }));
    expect(late).toMatchObject({ code: "deadline-before-dispatch", effect: "none" });
    expect(fixture.requests.length).toBe(before);
    expect(await harness.say(server, "echo", {})).toBe("{}");
  });
});

describe("a modern HTTP server", () => {
  it("gets the headers of the specification, and names that are not plain ASCII encoded", async () => {
    open();
    const { fixture, server } = await connected({ era: "modern" });
    await harness.call(server, "echo");
    expect(fixture.requests.at(-1)?.headers).toMatchObject({
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "echo",
      accept: "application/json, text/event-stream",
    });
    await harness.call(server, "größe");
    expect(fixture.requests.at(-1)?.headers["mcp-name"]).toBe("=?base64?Z3LDtsOfZQ==?=");
    await harness.call(server, "line\r\nX-Evil: 1");
    expect(fixture.requests.at(-1)?.headers["x-evil"]).toBeUndefined();
  });

  it("gets annotated arguments as headers; a tool annotated against the rules is not offered", async () => {
    const inputSchema = {
      type: "object",
      properties: {
        region: { type: "string", "x-mcp-header": "Region" },
        deep: { type: "object", properties: { n: { type: "integer", "x-mcp-header": "Count" } } },
        "x-mcp-header": { type: "string" },
      },
    };
    const bad = { type: "object", properties: { n: { type: "number", "x-mcp-header": "N" } } };
    open();
    const { fixture, server } = await connected({
      era: "modern",
      extraTools: [
        { name: "routed", inputSchema },
        { name: "misrouted", inputSchema: bad },
      ],
    });
    expect(harness.tools.get(server.id)?.map((tool) => tool.name)).toContain("routed");
    expect(harness.tools.get(server.id)?.map((tool) => tool.name)).not.toContain("misrouted");
    await harness.call(server, "routed", { region: "zürich", deep: { n: 3 } });
    expect(fixture.requests.at(-1)?.headers).toMatchObject({
      "mcp-param-region": "=?base64?esO8cmljaA==?=",
      "mcp-param-count": "3",
    });
    await harness.call(server, "routed", { region: null });
    expect(fixture.requests.at(-1)?.headers["mcp-param-region"]).toBeUndefined();
  });

  it("hands on progress from its event stream", async () => {
    open();
    const { server } = await connected({ era: "modern", answersAs: "events" });
    const progress: unknown[] = [];
    expect(await harness.say(server, "progress", {}, { onProgress: (value) => progress.push(value) })).toBe(
      "progressed",
    );
    expect(progress).toHaveLength(2);
    expect(JSON.stringify(progress)).not.toContain("progressToken");
  });

  it("that leaves streams open after the answer holds up no later call", async () => {
    open();
    const { server } = await connected({ era: "modern", answersAs: "events", keepsStreamOpen: true });
    for (let i = 0; i < 300; i++) expect(await harness.say(server, "echo", { i })).toContain(`${i}`);
  });

  it("remembered as modern that has become legacy is found out", async () => {
    open();
    const { server } = await connected({ era: "legacy", sessions: true }, { era: "modern" });
    expect(harness.lastHealth(server).state).toBe("healthy");
    expect(harness.eras.get(server.id)).toBe("legacy");
  });

  it("remembered as modern is taken at its word, and asked what it offers", async () => {
    open();
    const { fixture } = await connected({ era: "modern" }, { era: "modern" });
    const asked = fixture.requests.map((request) => request.headers["mcp-method"]);
    expect(asked).toEqual(["server/discover", "tools/list"]);
  });
});

describe("a legacy HTTP server", () => {
  it("that answers discovery with HTTP 500 is connected all the same", async () => {
    open();
    const { server } = await connected({ era: "legacy", discover: "http-500" });
    expect(harness.eras.get(server.id)).toBe("legacy");
  });

  it("that no longer knows the session gets a new one, once for all calls, and each call is executed once", async () => {
    open();
    const { fixture, server } = await connected({ era: "legacy", sessions: true });
    fixture.sessions.clear();
    let asked = 0;
    const mayDispatch = (): boolean => ++asked > 0;
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => harness.say(server, "echo", { i }, { mayDispatch })),
    );
    expect(answers).toHaveLength(10);
    expect(fixture.mcp.executed.get("echo")).toBe(10);
    expect(asked).toBe(20);
    expect(fixture.mcp.seen.filter((text) => text.includes('"initialize"'))).toHaveLength(2);
  });

  it("that refuses every session is not asked for ever", async () => {
    open();
    const { fixture, server } = await connected({ era: "legacy", sessions: true });
    fixture.options = { ...fixture.options, status: 404 };
    const fault = await faultOf(harness.call(server, "echo"));
    expect(fault).toMatchObject({ code: "tool-unavailable", effect: "none" });
  });

  it("loses its session when we stop", async () => {
    open();
    const { fixture } = await connected({ era: "legacy", sessions: true });
    expect(fixture.sessions.size).toBe(1);
    await harness.stop();
    expect(fixture.sessions.size).toBe(0);
  });

  it("that asks us things gets pings answered and the rest declined", async () => {
    open();
    const { fixture, server } = await connected({ era: "legacy", answersAs: "events" });
    expect(await harness.say(server, "ask_client")).toBe("asked");
    await until(() => fixture.mcp.answersToUs.length === 2);
    expect(fixture.mcp.answersToUs.join()).toMatch(/"id":"q1","result":\{\}/);
    expect(fixture.mcp.answersToUs.join()).toMatch(/"id":"q2","error":\{"code":-32601/);
  });
});

describe("what HTTP itself says", () => {
  it.each([
    { status: 401, code: "upstream-rejected", effect: "none" },
    { status: 403, code: "upstream-rejected", effect: "none" },
    { status: 404, code: "upstream-rejected", effect: "none" },
    { status: 429, code: "upstream-rejected", effect: "none" },
    { status: 307, code: "upstream-rejected", effect: "none" },
    { status: 302, code: "upstream-garbage", effect: "unknown" },
    { status: 400, code: "upstream-garbage", effect: "unknown" },
    { status: 500, code: "upstream-lost", effect: "unknown" },
    { status: 502, code: "upstream-lost", effect: "unknown" },
  ])(
    "HTTP $status is $code with effect $effect, and its body stays out of the message",
    async ({ status, code, effect }) => {
      open();
      const { fixture, server } = await connected({ era: "modern" });
      fixture.options = { status, body: "canary-body", headers: { location: "http://169.254.169.254/" } };
      const fault = await faultOf(harness.call(server, "echo"));
      expect(fault).toMatchObject({ code, effect });
      expect(fault.message).not.toContain("canary-body");
    },
  );

  it.each(["", "null", "[]", "not json", '{"jsonrpc":"2.0"}', '{"jsonrpc":"2.0","id":1}', "\uFEFF{}"])(
    "a body of %j is garbage",
    async (body) => {
      open();
      const { fixture, server } = await connected({ era: "modern" });
      fixture.options = { body };
      expect(await faultOf(harness.call(server, "echo"))).toMatchObject({
        code: "upstream-garbage",
        effect: "unknown",
      });
    },
  );

  it("a server that goes away is down at once with the reason, and healthy again when it is back", async () => {
    open({ backoffFirstMs: 30 });
    const { fixture, server } = await connected({ era: "modern" });
    const { port } = fixture;
    await fixture.stop();
    const fault = await faultOf(harness.call(server, "echo"));
    expect(fault).toMatchObject({ code: "tool-unavailable", effect: "none" });
    expect(harness.lastHealth(server)).toMatchObject({ state: "down", cause: "dependency" });
    const again = await faultOf(harness.call(server, "echo"));
    expect(again.message).toContain("ECONNREFUSED");
    await fixture.start(port);
    await until(() => harness.lastHealth(server).state === "healthy");
    expect(await harness.say(server, "echo", {})).toBe("{}");
  });

  it("a server that accepts and never answers does not hold up another", async () => {
    const held: Socket[] = [];
    const silent = createServer((socket) => held.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    try {
      open({ connectTimeoutMs: 700, startStaggerMs: 0 });
      const stuck = httpRecord(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/mcp`);
      const fixture = await serve({ era: "modern" });
      const good = httpRecord(fixture.url);
      harness.upstreams.reconcile([stuck, good]);
      expect(await harness.say(good, "echo", {})).toBe("{}");
      expect(harness.lastHealth(stuck).state).toBe("connecting");
      await until(() => harness.lastHealth(stuck).state === "down");
    } finally {
      for (const socket of held) socket.destroy();
      silent.close();
    }
  });

  it("headers come from the record: configured ones and vault ones, and reserved ones are refused", async () => {
    open();
    harness.secrets.set("key", "Bearer upstream-key");
    const fixture = await serve({ era: "modern" });
    const good = serverRecord({
      kind: "http",
      url: fixture.url,
      headers: { authorization: { vault: "key" }, "x-team": { literal: "blue" } },
    });
    const reserved = serverRecord({
      kind: "http",
      url: fixture.url,
      headers: { "Mcp-Method": { literal: "x" } },
    });
    const split = serverRecord({
      kind: "http",
      url: fixture.url,
      headers: { "x-a": { literal: "1\r\nx-b: 2" } },
    });
    const userinfo = serverRecord({ kind: "http", url: fixture.url.replace("//", "//u:p@"), headers: {} });
    await harness.connect(good, reserved, split, userinfo);
    expect(fixture.requests.at(-1)?.headers).toMatchObject({
      authorization: "Bearer upstream-key",
      "x-team": "blue",
    });
    for (const server of [reserved, split, userinfo]) {
      expect(harness.lastHealth(server)).toMatchObject({ state: "down", cause: "correctness" });
    }
  });

  it("a loopback server is not reached unless that is allowed for it", async () => {
    open();
    const fixture = await serve({ era: "modern" });
    const net = new Net({ clock: systemClock });
    const upstreams = new Upstreams({
      clock: systemClock,
      random: systemRandom,
      net,
      reveal: async () => "",
      environment: {},
      workingDirectory: "/tmp",
    });
    upstreams.start();
    try {
      for (const host of ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"]) {
        const server = httpRecord(`http://${host}:${fixture.port}/mcp`);
        upstreams.reconcile([server]);
        const fault = await faultOf(upstreams.exchange(harness.request(server, "echo")));
        expect(fault).toMatchObject({ code: "tool-unavailable", effect: "none" });
        expect(fault.message).toContain("may not reach");
      }
      expect(fixture.requests).toHaveLength(0);
    } finally {
      await upstreams.stop();
      await net.stop();
    }
  });

  it("many calls sharing one signal leave no listener behind and cause no warning", async () => {
    open();
    const { server } = await connected({ era: "modern" }, { concurrencyMax: 200 });
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.name);
    process.on("warning", onWarning);
    const shared = new AbortController();
    await Promise.all(
      Array.from({ length: 100 }, () => harness.say(server, "echo", {}, { signal: shared.signal })),
    );
    const hanging = Array.from({ length: 50 }, () =>
      faultOf(harness.call(server, "hang", {}, { signal: shared.signal })),
    );
    await until(() => fixtures[0]?.mcp.executed.get("hang") === 50);
    shared.abort();
    for (const fault of await Promise.all(hanging)) expect(fault).toMatchObject({ code: "cancelled" });
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
    expect(harness.upstreams.snapshot(server.id)?.inFlight).toBe(0);
  });

  it("a line that is not there is a fault without effect", async () => {
    open();
    const fault = await faultOf(harness.call(httpRecord("http://127.0.0.1:1/"), "echo"));
    expect(fault).toBeInstanceOf(Fault);
    expect(fault).toMatchObject({ code: "tool-unavailable", effect: "none" });
  });
});
