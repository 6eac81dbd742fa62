import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import type { FeatureHttpOptions } from "../../test/fixtures/servers/feature-http.ts";
import { FeatureHttp } from "../../test/fixtures/servers/feature-http.ts";
import { faultOf, httpRecord, serverRecord, UpstreamHarness } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import { noCapabilities, profileOf } from "../registry/index.ts";
import type { Profile, ServerRecord } from "../registry/index.ts";
import type { UpstreamLimits } from "./index.ts";

let harness: UpstreamHarness;
const fixtures: FeatureHttp[] = [];
const stdioFixture = fileURLToPath(new URL("../../test/fixtures/servers/feature-stdio.ts", import.meta.url));
const users = profileOf({ elicitation: {} });
const note = "note://plain";

const open = (limits: Partial<UpstreamLimits> = {}): UpstreamHarness =>
  (harness = new UpstreamHarness({ backoffFirstMs: 5, ...limits }));

async function overHttp(
  options: FeatureHttpOptions,
): Promise<{ fixture: FeatureHttp; server: ServerRecord }> {
  const fixture = await new FeatureHttp(options).start();
  fixtures.push(fixture);
  const server = httpRecord(fixture.url);
  await harness.connect(server);
  return { fixture, server };
}

/** What one watcher was told. */
async function watching(
  server: ServerRecord,
  uri: string,
  profile: Profile = noCapabilities,
): Promise<{ readonly told: string[]; readonly stop: () => void }> {
  const told: string[] = [];
  const stop = await harness.upstreams.watchResource(server.id, uri, profile, (updated) =>
    told.push(updated),
  );
  return { told, stop };
}

const asked = (fixture: FeatureHttp, method: string): number =>
  fixture.server.methods.filter((seen) => seen === method).length;

/** Asks for the stream to stand before the test goes on: in the older era nothing else says so. */
const streamsOpen = (fixture: FeatureHttp, count = 1): Promise<void> =>
  soon(() => fixture.openStreams >= count);

/** Machines may be slow; what is waited for comes. */
const soon = (isSo: () => boolean): Promise<void> => until(isSo);

afterEach(async () => {
  await harness.stop();
  expect(harness.net.poolCount).toBe(0);
  expect(harness.upstreams.processCount).toBe(0);
  for (const fixture of fixtures.splice(0)) {
    await soon(() => fixture.openStreams === 0);
    await fixture.stop();
  }
});

describe.each(["modern", "legacy"] as const)("a watched resource of a server over HTTP (%s)", (era) => {
  it("is told of to all who watch it, over one subscription, until the last one stops", async () => {
    open();
    const { fixture, server } = await overHttp({ era });
    await streamsOpen(fixture);
    const first = await watching(server, note);
    const second = await watching(server, note);
    const other = await watching(server, "note://other");
    fixture.server.update(note);
    await soon(() => first.told.length === 1 && second.told.length === 1);
    expect(other.told).toEqual([]);
    first.stop();
    first.stop();
    fixture.server.update(note);
    await soon(() => second.told.length === 2);
    expect(first.told).toEqual([note]);
    second.stop();
    if (era === "legacy") {
      expect(asked(fixture, "resources/subscribe")).toBe(2);
      await soon(() => asked(fixture, "resources/unsubscribe") === 1);
    } else {
      await soon(() =>
        [...fixture.server.listens].every(
          ({ filter }) => !(filter["resourceSubscriptions"] as string[]).includes(note),
        ),
      );
    }
    expect(harness.upstreams.snapshot(server.id)?.watches).toBe(1);
  });

  it("is told of also when the server names a part of it, and not when it names its neighbour", async () => {
    open();
    const { fixture, server } = await overHttp({ era });
    await streamsOpen(fixture);
    const whole = await watching(server, "note://shelf");
    const part = await watching(server, "note://shelf/1");
    const neighbour = await watching(server, "note://shelf-2");
    fixture.server.update("note://shelf/1");
    fixture.server.update("note://shelf-2");
    await soon(() => part.told.length === 1 && neighbour.told.length === 1);
    await soon(() => whole.told.length === 1);
    expect(whole.told).toEqual(["note://shelf/1"]);
  });

  it("that the server refuses is a fault, and the others stay watched", async () => {
    open();
    const { fixture, server } = await overHttp({ era, unwatchable: ["note://secret"] });
    await streamsOpen(fixture);
    const good = await watching(server, note);
    const fault = await faultOf(watching(server, "note://secret"));
    expect(fault).toMatchObject({ code: "upstream-rejected", effect: "none" });
    fixture.server.update(note);
    await soon(() => good.told.length === 1);
    expect(harness.upstreams.snapshot(server.id)?.watches).toBe(1);
  });

  it("cannot be watched where the server offers no subscriptions, and not without bound", async () => {
    open({ watchesMax: 1 });
    const { server } = await overHttp({ era, capabilities: { resources: {} } });
    expect((await faultOf(watching(server, note))).code).toBe("upstream-rejected");
    const other = await overHttp({ era });
    await streamsOpen(other.fixture);
    await watching(other.server, note);
    await watching(other.server, note);
    expect((await faultOf(watching(other.server, "note://other"))).code).toBe("too-many-calls");
  });

  it("is watched again after the server was away, and its watchers are told once", async () => {
    open();
    const { fixture, server } = await overHttp({ era });
    await streamsOpen(fixture);
    const { told } = await watching(server, note);
    const port = Number(new URL(fixture.url).port);
    await fixture.stop();
    await harness.upstreams.probeNow(server.id);
    expect(harness.lastHealth(server).state).toBe("down");
    const back = new FeatureHttp({ era });
    fixtures.splice(0, 1, await back.start(port));
    await soon(() => told.length === 1);
    await streamsOpen(back);
    back.server.update(note);
    await soon(() => told.length === 2);
    expect(told).toEqual([note, note]);
  });

  it("is watched on when the server's record changes", async () => {
    open();
    const { fixture, server } = await overHttp({ era });
    await streamsOpen(fixture);
    const { told } = await watching(server, note);
    const changed = { ...server, resultBytesMax: server.resultBytesMax + 1, version: 2 };
    harness.upstreams.reconcile([changed]);
    await soon(() => told.length === 1);
    fixture.server.update(note);
    await soon(() => told.length >= 2);
  });

  it("is watched on over a stream that broke off", async () => {
    open();
    const { fixture, server } = await overHttp({ era });
    await streamsOpen(fixture);
    const { told } = await watching(server, note);
    fixture.breakStreams();
    // What came in between may be lost, so the watcher looks for himself.
    await soon(() => told.length === 1);
    fixture.server.update(note);
    await soon(() => told.length === 2);
    expect(harness.health.get(server.id)?.map(({ state }) => state)).toEqual(["connecting", "healthy"]);
  });
});

describe("the stream of a modern server", () => {
  it("is one, is replaced when more is watched, and asks for what the server announces", async () => {
    open();
    const { fixture, server } = await overHttp({ era: "modern" });
    await streamsOpen(fixture);
    await Promise.all(["a", "b", "c"].map((name) => watching(server, `note://${name}`)));
    await soon(() => fixture.openStreams === 1);
    expect([...fixture.server.listens][0]?.filter).toEqual({
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      resourceSubscriptions: ["note://a", "note://b", "note://c"],
    });
    expect(asked(fixture, "subscriptions/listen")).toBe(2);
    expect(harness.upstreams.snapshot(server.id)?.inFlight).toBe(0);
  });

  it("is not opened to a server that announces no changes, until something is watched", async () => {
    open();
    const { fixture, server } = await overHttp({
      era: "modern",
      capabilities: { resources: { subscribe: true } },
    });
    expect(asked(fixture, "subscriptions/listen")).toBe(0);
    const { stop } = await watching(server, note);
    expect([...fixture.server.listens][0]?.filter).toEqual({ resourceSubscriptions: [note] });
    stop();
    await soon(() => fixture.openStreams === 0);
  });

  it("counts only what carries its own subscription id", async () => {
    open();
    const { fixture, server } = await overHttp({ era: "modern" });
    await streamsOpen(fixture);
    const { told } = await watching(server, note);
    await soon(() => fixture.openStreams === 1);
    const [listen] = [...fixture.server.listens];
    if (listen === undefined) throw new Error("no stream");
    fixture.server.sayOn(listen, "notifications/resources/updated", { uri: note }, "another");
    fixture.server.sayOn(listen, "notifications/resources/updated", { uri: note });
    await soon(() => told.length === 1);
    expect(told).toEqual([note]);
  });

  it("that the server refuses as a whole goes on without what it was refused for", async () => {
    open();
    const { fixture, server } = await overHttp({
      era: "modern",
      unwatchable: ["note://secret"],
      refusesWholeStream: true,
    });
    await streamsOpen(fixture);
    const good = await watching(server, note);
    expect((await faultOf(watching(server, "note://secret"))).code).toBe("upstream-rejected");
    fixture.server.update(note);
    await soon(() => good.told.length === 1);
  });

  it("that the server does not know is asked for once, and the server stays healthy", async () => {
    open({ probeIntervalMs: 20, relistIntervalMs: 20 });
    const { fixture, server } = await overHttp({ era: "modern", lacks: ["subscriptions/listen"] });
    await soon(() => asked(fixture, "subscriptions/listen") === 1);
    expect((await faultOf(watching(server, note))).code).toBe("upstream-rejected");
    expect(asked(fixture, "subscriptions/listen")).toBe(1);
    expect(harness.lastHealth(server).state).toBe("healthy");
    // Its changes are found by looking.
    fixture.server.offered.tools.set("later", null);
    await soon(() => harness.offered(server).tools.includes("later"));
  });
});

describe("the stream of a legacy server", () => {
  it("is not asked for again when GET is not allowed", async () => {
    open({ probeIntervalMs: 20, relistIntervalMs: 20 });
    const { fixture, server } = await overHttp({ era: "legacy", getStatus: 405 });
    fixture.server.offered.tools.set("later", null);
    await soon(() => harness.offered(server).tools.includes("later"));
    expect(fixture.gets).toEqual([null]);
    expect(harness.lastHealth(server).state).toBe("healthy");
  });

  it("goes on from the last event, and then nothing counts as missed", async () => {
    open();
    const { fixture, server } = await overHttp({ era: "legacy", resumable: true });
    await streamsOpen(fixture);
    const { told } = await watching(server, note);
    fixture.server.update(note);
    await soon(() => told.length === 1);
    fixture.breakStreams();
    fixture.server.update(note);
    await soon(() => told.length === 2);
    expect(fixture.gets).toEqual([null, "1"]);
    fixture.server.update(note);
    await soon(() => told.length === 3);
    expect(told).toEqual([note, note, note]);
  });

  it("and its subscriptions are made anew in a new session", async () => {
    open();
    const { fixture, server } = await overHttp({ era: "legacy" });
    await streamsOpen(fixture);
    const { told } = await watching(server, note);
    fixture.forgetSessions();
    await harness.say(server, "plain");
    await soon(() => asked(fixture, "resources/subscribe") === 2);
    await streamsOpen(fixture);
    const before = told.length;
    expect(before).toBeGreaterThanOrEqual(1);
    fixture.server.update(note);
    await soon(() => told.length > before);
    expect(harness.lastHealth(server).state).toBe("healthy");
  });

  it("for other capabilities tells only its own watchers, and is not closed while there are some", async () => {
    open({ profileIdleMs: 0, probeIntervalMs: 20 });
    const { fixture, server } = await overHttp({ era: "legacy" });
    const plain = await watching(server, "note://plain-only");
    const user = await watching(server, note, users);
    await streamsOpen(fixture, 2);
    fixture.server.update(note);
    await soon(() => user.told.length === 1);
    expect(plain.told).toEqual([]);
    expect(harness.upstreams.snapshot(server.id)?.profileLines).toBe(1);
    user.stop();
    await soon(() => harness.upstreams.snapshot(server.id)?.profileLines === 0);
  });

  it("for other capabilities that was lost is opened again for its watchers", async () => {
    open({ probeIntervalMs: 20 });
    const args = [stdioFixture, JSON.stringify({ era: "legacy" })];
    const server = serverRecord({ kind: "stdio", command: process.execPath, args, env: {}, cwd: null });
    await harness.connect(server);
    const { told } = await watching(server, note, users);
    await faultOf(harness.say(server, "control", { die: "now" }, { profile: users }));
    await soon(() => told.length === 1);
    await harness.say(server, "control", { update: note }, { profile: users });
    await soon(() => told.length === 2);
    expect(harness.lastHealth(server).state).toBe("healthy");
  });
});

describe.each(["modern", "legacy"] as const)("a watched resource of a server over stdio (%s)", (era) => {
  it("is told of, until nobody watches it", async () => {
    open();
    const args = [stdioFixture, JSON.stringify({ era })];
    const server = serverRecord({ kind: "stdio", command: process.execPath, args, env: {}, cwd: null });
    await harness.connect(server);
    const { told, stop } = await watching(server, note);
    const other = await watching(server, "note://other");
    await harness.say(server, "control", { update: note });
    await soon(() => told.length === 1);
    stop();
    await harness.say(server, "control", { update: "note://other" });
    await soon(() => other.told.length === 1);
    expect(told).toEqual([note]);
  });
});
