import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { FeatureHttp } from "../../test/fixtures/servers/feature-http.ts";
import { httpRecord, serverRecord, UpstreamHarness } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import { able, answering, elicit, refusal } from "../../test/fixtures/wire-asks.ts";
import { callOf, saidIn, WireHarness } from "../../test/fixtures/wire-harness.ts";
import type { ServerRecord } from "../registry/index.ts";
import type { Ask, UpstreamLimits } from "./index.ts";

const stdioFixture = fileURLToPath(new URL("../../test/fixtures/servers/feature-stdio.ts", import.meta.url));

describe("on a connection that several callers have used", () => {
  let harness: WireHarness;
  afterEach(() => harness.stop());

  describe.each([
    { name: "stdio", open: () => harness.overStdio({ era: "legacy", logs: true }, able) },
    {
      name: "HTTP+SSE",
      open: () => harness.overHttp({ era: "legacy", logs: true, oldTransport: true }, able),
    },
    {
      name: "the GET stream of HTTP",
      open: async () => {
        const options = { era: "legacy", logs: true, speaks: true, sessions: true } as const;
        const connected = await harness.overHttp(options, able);
        await until(() => connected.fixture.spoken.size === 1);
        return connected;
      },
    },
  ])("by $name", ({ open }) => {
    it("nobody is asked what names no call, and the server is told why", async () => {
      harness = new WireHarness();
      const { wire, server, owner } = await open();
      const asked: Ask[] = [];
      const ada = { caller: "ada", profile: able, onAsk: answering("me", asked) };
      const asks = (id: string) => callOf(server, "asks", { asks: [elicit(id)], spoken: true }, ada);
      await wire.exchange(asks("before"));
      await wire.exchange(callOf(server, "echo", {}, { caller: "bob" }));
      expect(saidIn(await wire.exchange(asks("after")))).toEqual([refusal("after", -32603)]);
      expect(asked).toHaveLength(1);
      expect(owner.count("unplaced")).toBe(1);
    });

    it("nobody is told a log message that names no call", async () => {
      harness = new WireHarness();
      const { wire, server, owner } = await open();
      const told: unknown[] = [];
      const ada = {
        caller: "ada",
        logLevel: "debug",
        onLog: ({ data }: Readonly<Record<string, unknown>>) => void told.push(data),
      };
      const logs = (of: string) =>
        callOf(server, "logs", { levels: ["error"], of, spoken: true, ms: 100 }, ada);
      await wire.exchange(logs("ada alone"));
      await until(() => told.length === 1);
      await wire.exchange(callOf(server, "echo", {}, { caller: "bob" }));
      await wire.exchange(logs("whom?"));
      await until(() => owner.count("unplaced") === 1);
      expect(told).toEqual(["error of ada alone"]);
    });
  });

  it("a question on the stream of its call is asked", async () => {
    harness = new WireHarness();
    const options = { era: "legacy", answersAs: "events", sessions: true } as const;
    const { wire, server } = await harness.overHttp(options, able);
    await wire.exchange(callOf(server, "echo", {}, { caller: "bob" }));
    const asked: Ask[] = [];
    const ada = { caller: "ada", profile: able, onAsk: answering("me", asked) };
    await wire.exchange(callOf(server, "asks", { asks: [elicit("q")] }, ada));
    expect(asked).toHaveLength(1);
  });

  it("a server without sessions is told that it asks nobody in particular", async () => {
    harness = new WireHarness();
    const { wire, server, fixture } = await harness.overHttp({ era: "legacy", speaks: true }, able);
    await until(() => fixture.spoken.size === 1);
    const asked: Ask[] = [];
    const ada = { caller: "ada", profile: able, onAsk: answering("me", asked) };
    const call = callOf(server, "asks", { asks: [elicit("q")], spoken: true }, ada);
    expect(saidIn(await wire.exchange(call))).toEqual([refusal("q", -32603)]);
    expect(asked).toEqual([]);
  });
});

describe("callers of a legacy server who can be asked", () => {
  let harness: UpstreamHarness;
  const fixtures: FeatureHttp[] = [];
  afterEach(async () => {
    await harness.stop();
    for (const fixture of fixtures.splice(0)) await fixture.stop();
  });

  const overHttp = async (limits: Partial<UpstreamLimits> = {}) => {
    harness = new UpstreamHarness(limits);
    const fixture = await new FeatureHttp({ era: "legacy" }).start();
    fixtures.push(fixture);
    const server = httpRecord(fixture.url);
    await harness.connect(server);
    return { server, fixture };
  };
  const call = (server: ServerRecord, caller: string): Promise<string> =>
    harness.say(server, "plain", {}, { profile: able, caller });
  const lines = (server: ServerRecord) => harness.upstreams.snapshot(server.id)?.profileLines;

  it("have a connection each; the first has that over which the lists came", async () => {
    const { server, fixture } = await overHttp();
    await harness.upstreams.catalogueFor(server.id, able);
    for (const caller of ["ada", "bob", "ada", "bob"]) await call(server, caller);
    expect(lines(server)).toBe(2);
    expect(fixture.sessions.size).toBe(3);
    await harness.say(server, "plain", {}, { caller: "cyd" });
    expect(fixture.sessions.size).toBe(3);
  });

  it("share one where there is no room for another", async () => {
    const { server, fixture } = await overHttp({ callerLinesHttpMax: 1 });
    for (const caller of ["ada", "bob", "cyd", "dan"]) await call(server, caller);
    expect(lines(server)).toBe(2);
    expect(fixture.sessions.size).toBe(3);
  });

  it("get that of another who was away for a while", async () => {
    const { server, fixture } = await overHttp({ callerLinesHttpMax: 1, profileKeepMs: 0 });
    for (const caller of ["ada", "bob"]) await call(server, caller);
    const before = [...fixture.sessions];
    await call(server, "cyd");
    await until(() => fixture.sessions.size === 3);
    expect([...fixture.sessions]).not.toEqual(before);
  });

  it("share one when another cannot be opened", async () => {
    harness = new UpstreamHarness({ processesMax: 2 });
    const args = [stdioFixture, JSON.stringify({ era: "legacy" })];
    const server = serverRecord({ kind: "stdio", command: process.execPath, args, env: {}, cwd: null });
    await harness.connect(server);
    const said = await call(server, "ada");
    expect(await call(server, "bob")).toBe(said);
    expect(harness.upstreams.processCount).toBe(2);
  });
});
