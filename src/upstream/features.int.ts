import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { FeatureHttp } from "../../test/fixtures/servers/feature-http.ts";
import type { FeatureHttpOptions } from "../../test/fixtures/servers/feature-http.ts";
import type { FeatureOptions } from "../../test/fixtures/servers/feature-server.ts";
import { faultOf, httpRecord, serverRecord, UpstreamHarness } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import { profileOf } from "../registry/index.ts";
import type { Features, Profile, ServerRecord } from "../registry/index.ts";
import type { UpstreamLimits } from "./index.ts";

let harness: UpstreamHarness;
const fixtures: FeatureHttp[] = [];
const stdioFixture = fileURLToPath(new URL("../../test/fixtures/servers/feature-stdio.ts", import.meta.url));

const open = (limits: Partial<UpstreamLimits> = {}): UpstreamHarness =>
  (harness = new UpstreamHarness(limits));

async function overHttp(
  options: FeatureHttpOptions,
): Promise<{ fixture: FeatureHttp; server: ServerRecord }> {
  const fixture = await new FeatureHttp(options).start();
  fixtures.push(fixture);
  const server = httpRecord(fixture.url);
  await harness.connect(server);
  return { fixture, server };
}

async function overStdio(options: FeatureOptions): Promise<ServerRecord> {
  const args = [stdioFixture, JSON.stringify(options)];
  const server = serverRecord({ kind: "stdio", command: process.execPath, args, env: {}, cwd: null });
  await harness.connect(server);
  return server;
}

const users = profileOf({ elicitation: {} });
const samplers = profileOf({ sampling: {} });
const names = (items: readonly Readonly<Record<string, unknown>>[]): unknown[] =>
  items.map((item) => item["name"]);
const offered = (server: ServerRecord, profile?: Profile): Features => harness.offered(server, profile);

/** Machines may be slow; what is waited for comes. */
const soon = (isSo: () => boolean): Promise<void> => until(isSo);

afterEach(async () => {
  await harness.stop();
  expect(harness.net.poolCount).toBe(0);
  expect(harness.upstreams.processCount).toBe(0);
  for (const fixture of fixtures.splice(0)) await fixture.stop();
});

describe.each([
  { name: "modern, HTTP", era: "modern", http: true },
  { name: "legacy, HTTP", era: "legacy", http: true },
  { name: "modern, stdio", era: "modern", http: false },
  { name: "legacy, stdio", era: "legacy", http: false },
] as const)("a server that offers all kinds of things ($name)", ({ era, http }) => {
  const connect = async (): Promise<ServerRecord> =>
    http ? (await overHttp({ era, pageSize: 1 })).server : overStdio({ era, pageSize: 1 });

  it("is listed in full, page by page, with what it says of itself", async () => {
    open();
    const server = await connect();
    const { tools, resources, templates, prompts, instructions, capabilities } = offered(server);
    expect(tools).toEqual(["plain", "control"]);
    expect(names(resources)).toEqual(["note://plain"]);
    expect(names(templates)).toEqual(["note://{name}"]);
    expect(names(prompts)).toEqual(["greet"]);
    expect(instructions).toBe("Take care.");
    expect(capabilities).toMatchObject({ resources: { subscribe: true } });
  });

  it("is asked anew for a client that can do more, and calls show it that client's capabilities", async () => {
    open();
    const server = await connect();
    await harness.upstreams.catalogueFor(server.id, users);
    expect(offered(server, users).tools).toEqual(["plain", "ask_user", "control"]);
    expect(names(offered(server, users).prompts)).toEqual(["greet", "interview"]);
    expect(offered(server).tools).toEqual(["plain", "control"]);
    expect(await harness.say(server, "ask_user", {}, { profile: users })).toBe('{"elicitation":{}}');
    expect(await harness.say(server, "plain", {}, { profile: samplers })).toBe('{"sampling":{}}');
    expect(await harness.say(server, "plain")).toBe("{}");
  });

  it("that says its lists changed is listed again for all profiles in use", async () => {
    open();
    const server = await connect();
    await harness.upstreams.catalogueFor(server.id, users);
    const control = (kind: string, add: string, profile?: Profile): Promise<unknown> =>
      harness.say(server, "control", { kind, add }, profile === undefined ? {} : { profile });
    // Each process of a legacy server over stdio is a server of its own.
    const ask = era === "legacy" && !http ? [undefined, users] : [undefined];
    for (const profile of ask) {
      await control("tools", "later", profile);
      await control("prompts", "depart", profile);
      await control("resources", "note://late", profile);
    }
    for (const profile of [undefined, users]) {
      await soon(() => offered(server, profile).tools.includes("later"));
      await soon(() => names(offered(server, profile).prompts).includes("depart"));
      await soon(() => names(offered(server, profile).resources).includes("note://late"));
    }
    expect(harness.lastHealth(server).state).toBe("healthy");
  });
});

describe("lists", () => {
  it("that a server does not announce are not asked for", async () => {
    open();
    const { fixture, server } = await overHttp({ era: "legacy", capabilities: { tools: {} } });
    expect(fixture.server.methods).toEqual(["initialize", "tools/list"]);
    expect(offered(server).prompts).toEqual([]);
  });

  it("of tools are not asked of a server that announces other things only, and it is healthy while it answers", async () => {
    open();
    const { fixture, server } = await overHttp({ era: "legacy", capabilities: { prompts: {} } });
    expect(fixture.server.methods).not.toContain("tools/list");
    expect(names(offered(server).prompts)).toEqual(["greet"]);
    expect(await harness.upstreams.probeNow(server.id)).toMatchObject({ state: "healthy" });
  });

  it("that a server announces and does not know are empty", async () => {
    open();
    const { server } = await overHttp({ era: "legacy", lacks: ["resources/templates/list"] });
    expect(offered(server).templates).toEqual([]);
    expect(names(offered(server).resources)).toEqual(["note://plain"]);
    expect(harness.counted(server, "failed-list")).toBe(0);
  });

  it("that fail leave the rest and the server's health as they are", async () => {
    open();
    const { server } = await overHttp({ era: "legacy", fails: ["prompts/list"] });
    expect(harness.lastHealth(server).state).toBe("healthy");
    expect(offered(server)).toMatchObject({ prompts: [], tools: ["plain", "control"] });
    expect(harness.counted(server, "failed-list")).toBe(1);
  });

  it("give the least time to live of all", async () => {
    open();
    const fixture = await new FeatureHttp({ era: "modern" }).start();
    fixtures.push(fixture);
    fixture.server.ttlMs = { "tools/list": 9_000, "prompts/list": 5_000 };
    const server = httpRecord(fixture.url);
    await harness.connect(server);
    expect(offered(server).ttlMs).toBe(5_000);
  });

  it("without an end leave out what is beyond the bound, and too many tools are refused", async () => {
    open({ listedMax: 2, toolsMax: 2 });
    const { server, fixture } = await overHttp({ era: "legacy", capabilities: { tools: {}, resources: {} } });
    for (const name of ["a", "b", "c"]) fixture.server.offered.resources.set(`note://${name}`, null);
    await harness.upstreams.probeNow(server.id);
    expect(offered(server).resources).toHaveLength(2);
    fixture.server.offered.tools.set("one_more", null);
    expect(await harness.upstreams.probeNow(server.id)).toMatchObject({
      state: "down",
      cause: "correctness",
    });
  });

  it("are told when they differ, and to whoever asks; they are not listed again for that", async () => {
    open();
    const { fixture, server } = await overHttp({ era: "modern" });
    await harness.upstreams.catalogueFor(server.id, users);
    await harness.upstreams.catalogueFor(server.id, users);
    await harness.upstreams.probeNow(server.id);
    expect(harness.timesTold(server.id)).toBe(1);
    expect(harness.timesTold(server.id, users)).toBe(2);
    expect(fixture.server.methods.filter((method) => method === "prompts/list")).toHaveLength(3);
  });
});

describe("connections for other capabilities to a legacy server", () => {
  it("are shared where the server could not tell the callers apart", async () => {
    open();
    const { fixture, server } = await overHttp({ era: "legacy" });
    const moving = profileOf({ roots: { listChanged: true } });
    const still = profileOf({ roots: {} });
    const tasks = profileOf({ extensions: { "io.modelcontextprotocol/tasks": {} } });
    for (const profile of [moving, still, tasks]) await harness.say(server, "plain", {}, { profile });
    expect(fixture.sessions.size).toBe(2);
    await harness.upstreams.catalogueFor(server.id, tasks);
    expect(offered(server, tasks)).toEqual(offered(server));
    expect(fixture.sessions.size).toBe(2);
  });

  it("are bounded: the least recently used idle one makes room, and busy ones are not ended", async () => {
    open({ profileLinesHttpMax: 2 });
    const { fixture, server } = await overHttp({ era: "legacy" });
    const profiles = ["a", "b", "c"].map((name) => profileOf({ experimental: { [name]: {} } }));
    for (const profile of profiles) await harness.say(server, "plain", {}, { profile });
    expect(harness.upstreams.snapshot(server.id)?.profileLines).toBe(2);
    await soon(() => fixture.sessions.size === 3);
    const [first, , third] = profiles;
    if (first === undefined || third === undefined) throw new Error("three profiles");
    await harness.upstreams.watchResource(server.id, "note://plain", first, () => undefined);
    await harness.upstreams.watchResource(server.id, "note://plain", third, () => undefined);
    const fault = await faultOf(harness.say(server, "plain", {}, { profile: users }));
    expect(fault).toMatchObject({ code: "tool-unavailable", effect: "none" });
    expect(fault.message).toContain("busy");
  });

  it("are closed after a while without use", async () => {
    open({ profileIdleMs: 0, probeIntervalMs: 20 });
    const { fixture, server } = await overHttp({ era: "legacy" });
    await harness.say(server, "plain", {}, { profile: users });
    await soon(() => harness.upstreams.snapshot(server.id)?.profileLines === 0);
    await soon(() => fixture.sessions.size === 1);
    expect(await harness.say(server, "plain", {}, { profile: users })).toBe('{"elicitation":{}}');
  });

  it.each([true, false])("that fail concern their own callers alone (HTTP: %s)", async (http) => {
    open();
    const options = { era: "legacy", diesOfCapabilities: true } as const;
    const server = http ? (await overHttp(options)).server : await overStdio(options);
    for (let i = 0; i < 2; i++) {
      const fault = await faultOf(harness.say(server, "plain", {}, { profile: users }));
      expect(fault).toMatchObject({ code: "tool-unavailable", effect: "none" });
      expect(fault.message).toContain("a client with these capabilities");
    }
    expect((await faultOf(harness.upstreams.catalogueFor(server.id, users))).code).toBe("tool-unavailable");
    // The second and third were told what the first found out.
    expect(harness.counted(server, "lost-profile")).toBe(1);
    expect(harness.health.get(server.id)?.map(({ state }) => state)).toEqual(["connecting", "healthy"]);
    expect(await harness.say(server, "plain")).toBe("{}");
  });

  it("that are lost in mid-call make that call unknown and are made anew", async () => {
    open({ backoffFirstMs: 1 });
    const server = await overStdio({ era: "legacy" });
    const died = await faultOf(harness.say(server, "control", { die: "now" }, { profile: users }));
    expect(died).toMatchObject({ code: "upstream-lost", effect: "unknown" });
    await soon(() => harness.upstreams.snapshot(server.id)?.profileLines === 0);
    let said = "";
    for (let i = 0; i < 100 && said === ""; i++) {
      said = await harness.say(server, "plain", {}, { profile: users }).catch(() => "");
    }
    expect(said).toBe('{"elicitation":{}}');
    expect(harness.lastHealth(server).state).toBe("healthy");
  });

  it("end with the server's line", async () => {
    open();
    const server = await overStdio({ era: "legacy" });
    await harness.upstreams.catalogueFor(server.id, users);
    expect(harness.upstreams.processCount).toBe(2);
    harness.upstreams.reconcile([]);
    await soon(() => harness.upstreams.processCount === 0);
  });
});

describe("a profile", () => {
  it("whose server is not connected, or not there, is refused", async () => {
    open();
    const { fixture, server } = await overHttp({ era: "modern" });
    await fixture.stop();
    fixtures.length = 0;
    await harness.upstreams.probeNow(server.id);
    expect((await faultOf(harness.upstreams.catalogueFor(server.id, users))).code).toBe("tool-unavailable");
    harness.upstreams.reconcile([]);
    expect((await faultOf(harness.upstreams.catalogueFor(server.id, users))).code).toBe("tool-unavailable");
  });

  it("that nobody asked for in a long time is forgotten, and so is the oldest of too many", async () => {
    open({ profilesMax: 3, profileForgetMs: 1_000_000 });
    const { server } = await overHttp({ era: "modern" });
    const profiles = ["a", "b", "c", "d"].map((name) => profileOf({ experimental: { [name]: {} } }));
    for (const profile of profiles) await harness.upstreams.catalogueFor(server.id, profile);
    expect([...harness.features.keys()].filter((key) => key.startsWith(server.id))).toHaveLength(3);
    expect(() => offered(server, profiles[0])).toThrow("nothing was told");
    expect(offered(server)).toBeDefined();
    expect(harness.upstreams.snapshot(server.id)?.profiles).toBe(3);
    await harness.upstreams.catalogueFor(server.id, profiles[0] ?? users);
    expect(offered(server, profiles[0])).toBeDefined();
  });

  it("of a legacy server whose connection was closed is asked anew after a change", async () => {
    open({ profileIdleMs: 0, probeIntervalMs: 20 });
    const { fixture, server } = await overHttp({ era: "legacy" });
    await harness.upstreams.catalogueFor(server.id, users);
    await soon(() => harness.upstreams.snapshot(server.id)?.profileLines === 0);
    expect(offered(server, users).tools).toContain("ask_user");
    fixture.server.add("tools", "later");
    await soon(() => !harness.features.has(`${server.id} ${users.key}`));
    await harness.upstreams.catalogueFor(server.id, users);
    expect(offered(server, users).tools).toContain("later");
  });
});
