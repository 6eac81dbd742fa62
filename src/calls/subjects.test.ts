import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Fault, ok } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { noCapabilities, profileOf } from "../registry/index.ts";
import type { CallAnswer, CallInput, Listing, SubscribeInput } from "./call.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.stop());

const codeOf = (answer: CallAnswer) => (answer.kind === "refused" ? answer.refusal.code : answer.kind);

const ask = (
  method: CallInput["method"],
  name: string,
  args: Record<string, unknown> = {},
  meta: Record<string, unknown> = {},
) => world.call(name, args, meta, { method });

const serverId = () => world.registry.serversOf(defaultTenant)[0]!.id;
const down = { state: "down", since: 0 as never, cause: "dependency", reason: "gone" } as const;

async function withPolicies(text: string): Promise<void> {
  await world.stop();
  world = await openWorld(text);
}

describe("a resource, a prompt and a completion go through the same line as a tool", () => {
  test.each([
    ["resources/read", "file:///a", {}, { name: "file:///a", argumentsText: "{}" }],
    ["resources/read", "file:///logs/monday", {}, { name: "file:///logs/monday" }],
    ["prompts/get", "files__greet", { who: "you" }, { name: "greet", argumentsText: '{"who":"you"}' }],
    [
      "completion/complete",
      "files__greet",
      { argument: { name: "who", value: "y" } },
      { argumentsText: '{"argument":{"name":"who","value":"y"},"ref":{"name":"greet","type":"ref/prompt"}}' },
    ],
    [
      "completion/complete",
      "file:///logs/{day}",
      { argument: { name: "day", value: "m" } },
      {
        argumentsText:
          '{"argument":{"name":"day","value":"m"},"ref":{"type":"ref/resource","uri":"file:///logs/{day}"}}',
      },
    ],
  ] as const)("%s of %s reaches its server and leaves one entry", async (method, name, args, sent) => {
    world.upstream.answer = () => resultOf('{"contents":[]}');
    const answer = await ask(method, name, args);
    expect(codeOf(answer)).toBe("result");
    expect(world.upstream.sent[0]).toMatchObject({ method, ...sent });
    expect(await world.outcomes()).toEqual(["outcome:succeeded"]);
    const [entry] = await world.ledger.list(defaultTenant, { limit: 1 });
    expect(entry?.entry).toMatchObject({ method, decision: { effect: "allow" } });
  });

  test.each([
    ["resources/read", "ftp://elsewhere", "unknown-resource"],
    ["prompts/get", "files__nothing", "unknown-prompt"],
    ["prompts/get", "greet", "unknown-prompt"],
    ["completion/complete", "files__nothing", "unknown-prompt"],
    ["tools/call", "files__greet", "unknown-tool"],
  ] as const)("%s of %s, which is not there, is refused as %s", async (method, name, code) => {
    // One server alone gets what nobody lists; a resource of no server is one that policy or health keeps away.
    if (method === "resources/read") world.registry.reportHealth(serverId(), down);
    expect([code, "tool-unavailable"]).toContain(codeOf(await ask(method, name)));
    expect(world.upstream.sent).toEqual([]);
  });

  test("arguments of a prompt are texts", async () => {
    expect(codeOf(await ask("prompts/get", "files__greet", { who: 1 }))).toBe("invalid-params");
  });

  test("what the server says no to is said in its own words, cleared of credentials", async () => {
    const error = { code: -32602, message: "no such file", data: { uri: "file:///a" } };
    world.upstream.answer = () => ({ kind: "rejected", error });
    const answer = await ask("resources/read", "file:///a");
    expect(answer).toMatchObject({ kind: "refused", refusal: { code: "upstream-rejected", rpc: error } });
  });

  test("a caller may name the server it means", async () => {
    world.upstream.answer = () => resultOf('{"contents":[]}');
    const answer = await ask("resources/read", "x://unlisted", {}, { [metaKeys.server]: "files" });
    expect(codeOf(answer)).toBe("result");
    expect(codeOf(await ask("resources/read", "file:///a", {}, { [metaKeys.server]: "nobody" }))).toBe(
      "unknown-resource",
    );
  });
});

describe("policy decides on each of them by its own action", () => {
  test.each([
    ['permit(principal, action == Action::"read", resource);', "resources/read", "file:///a"],
    ['permit(principal, action == Action::"get", resource);', "prompts/get", "files__greet"],
    ['permit(principal, action == Action::"complete", resource);', "completion/complete", "files__greet"],
    ['permit(principal, action == Action::"call", resource);', "tools/call", "files__read"],
  ] as const)("%s permits %s and nothing else", async (policy, permitted, name) => {
    await withPolicies(policy);
    world.upstream.answer = () => resultOf('{"contents":[]}');
    expect(codeOf(await ask(permitted, name))).toBe("result");
    const others = [
      ["resources/read", "file:///a"],
      ["prompts/get", "files__greet"],
      ["tools/call", "files__read"],
    ] as const;
    for (const [method, other] of others)
      if (method !== permitted) expect(codeOf(await ask(method, other))).toBe("denied");
  });
});

describe("lists", () => {
  const list = async (name: "tools" | "resources" | "resourceTemplates" | "prompts"): Promise<Listing> =>
    world.line.list(name, world.agent, noCapabilities);

  test("hold what all servers offer, under our names, in the servers' words", async () => {
    expect(JSON.parse((await list("prompts")).text)).toEqual({
      prompts: [{ name: "files__greet", arguments: [{ name: "who" }] }],
    });
    expect((await list("resources")).text).toContain('"uri":"file:///a"');
    expect((await list("resourceTemplates")).text).toContain('"uriTemplate":"file:///logs/{day}"');
    expect((await list("tools")).items).toHaveLength(4);
    expect((await list("tools")).ttlMs).toBe(5_000);
  });

  test("hold only what policy lets the caller have", async () => {
    await withPolicies('permit(principal, action == Action::"call", resource);');
    expect((await list("tools")).items).toHaveLength(4);
    expect((await list("resources")).items).toEqual([]);
    expect((await list("resourceTemplates")).items).toEqual([]);
    expect((await list("prompts")).items).toEqual([]);
  });

  test("of a profile that no server was asked for ask once, and are those of everybody until the answer has come", async () => {
    const profile = profileOf({ sampling: {} });
    const first = await world.line.list("tools", world.agent, profile);
    await world.line.list("tools", world.agent, profile);
    expect(first.items).toHaveLength(4);
    expect(world.upstream.catalogues).toHaveLength(1);
  });

  test("asked for side by side wait together for what servers tell a new profile", async () => {
    let tell: () => void = () => undefined;
    world.upstream.catalogueFor = () => new Promise((resolve) => (tell = resolve));
    const profile = profileOf({ sampling: {} });
    const told: string[] = [];
    const lists = (["tools", "prompts"] as const).map(async (name) => {
      await world.line.list(name, world.agent, profile);
      told.push(name);
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
    tell();
    await Promise.all(lists);
  });

  test("of servers that a caller may use nothing of say nothing of them", async () => {
    await withPolicies('permit(principal == Agent::"agent/nobody", action, resource);');
    expect(world.line.describe(world.agent).instructions).toBeNull();
  });

  test("and what servers say of themselves hold no known secret, also one that is known only since", async () => {
    const secret = "canary-0123456789";
    const said = `Asks postgres://app:${secret}@db.`;
    await world.offer([{ name: "query", description: said, inputSchema: { type: "object" } }]);
    world.setPolicies("permit(principal, action, resource);");
    world.registry.offerFeatures(serverId(), noCapabilities, {
      capabilities: { tools: {}, resources: {}, prompts: {} },
      serverInfo: null,
      instructions: said,
      tools: ["query"],
      resources: [{ uri: "file:///a", name: "a", description: said }],
      templates: [{ uriTemplate: "file:///logs/{day}", name: "logs", description: said }],
      prompts: [{ name: "greet", description: said }],
      skills: [],
      ttlMs: null,
    });
    const all = async () => [
      ...(await Promise.all(
        (["tools", "resources", "resourceTemplates", "prompts"] as const).map(
          async (name) => (await list(name)).text,
        ),
      )),
      world.line.describe(world.agent).instructions,
    ];
    for (const text of await all()) expect(text).toContain(secret);
    const put = await world.vault.put(defaultTenant, "db", `postgres://app:${secret}@db`);
    if (!put.ok) throw new Error(put.refusal.detail);
    await world.store.commit(put.value.writes);
    put.value.applied();
    await world.vault.reveal(defaultTenant, "db");
    for (const text of await all()) {
      expect(text).toContain("Asks [secret].");
      expect(text).not.toContain(secret);
    }
  });

  test("say what the servers can do, as far as we carry it", () => {
    const { capabilities, instructions } = world.line.describe(world.agent);
    expect(capabilities).toEqual({
      tools: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      prompts: { listChanged: true },
      completions: {},
    });
    expect(instructions).toBe("Paths are relative.");
  });
});

test("why a server is down holds no known secret, whoever asks for something of it", async () => {
  const put = await world.vault.put(defaultTenant, "token", "Bearer canary-0123456789");
  if (!put.ok) throw new Error(put.refusal.detail);
  await world.store.commit(put.value.writes);
  put.value.applied();
  await world.vault.reveal(defaultTenant, "token");
  world.registry.reportHealth(serverId(), { ...down, reason: "it said: no such token canary-0123456789" });
  const { line, agent } = world;
  const subscribed = await line.subscribe({
    requestId: "req_1",
    authenticate: () => ok(agent),
    uri: "file:///a",
    meta: {},
    profile: noCapabilities,
    onUpdated: () => undefined,
  });
  for (const answer of [
    await world.call("files__read", {}),
    await ask("resources/read", "file:///a"),
    subscribed,
  ]) {
    if (answer.kind !== "refused") throw new Error(answer.kind);
    expect(answer.refusal.detail).toContain("no such token [secret]");
  }
});

describe("a subscription", () => {
  const subscribe = (
    uri: string,
    onUpdated: SubscribeInput["onUpdated"] = () => undefined,
    who = world.agent,
  ) =>
    world.line.subscribe({
      requestId: "req",
      authenticate: () => ok(who),
      uri,
      meta: {},
      profile: noCapabilities,
      onUpdated,
    });

  test("is decided first, recorded before its caller hears of it, and then told of each change", async () => {
    const updates: string[] = [];
    const subscribed = await subscribe("file:///a", (uri) => updates.push(uri));
    expect(await world.outcomes()).toEqual(["outcome:succeeded"]);
    world.upstream.watched.get("file:///a")?.();
    expect(updates).toEqual(["file:///a"]);
    if (subscribed.kind === "subscribed") subscribed.cancel();
    expect(world.upstream.watched.size).toBe(0);
  });

  test("that policy does not allow is refused and recorded, and its server hears nothing", async () => {
    await withPolicies('permit(principal, action == Action::"read", resource);');
    expect(await subscribe("file:///a")).toMatchObject({ kind: "refused", refusal: { code: "denied" } });
    expect(await world.outcomes()).toEqual(["outcome:denied"]);
    expect(world.upstream.watched.size).toBe(0);
  });

  test("to what cannot be had is refused and recorded, and after many times counted", async () => {
    world.registry.reportHealth(serverId(), down);
    for (let i = 0; i < 70; i++)
      expect(await subscribe("ftp://elsewhere")).toMatchObject({ refusal: { code: "tool-unavailable" } });
    expect(await world.outcomes()).toHaveLength(60);
  });

  test("is refused to a caller that has very many at one server, and to nobody else", async () => {
    const all = [];
    for (let i = 0; i < 250; i++) all.push(await subscribe(`file:///logs/${i}`));
    expect(await subscribe("file:///a")).toMatchObject({ refusal: { code: "too-many-calls" } });
    expect(await subscribe("file:///a", undefined, await world.person("vera", []))).toMatchObject({
      kind: "subscribed",
    });
    const [first] = all;
    if (first?.kind !== "subscribed") throw new Error("not subscribed");
    first.cancel();
    first.cancel();
    world.upstream.watchResource = () => Promise.reject(new Fault("upstream-rejected", "no"));
    for (let i = 0; i < 3; i++)
      expect(await subscribe("file:///a")).toMatchObject({ refusal: { code: "upstream-rejected" } });
  });

  test("that its server turns down is recorded as failed", async () => {
    world.upstream.watchResource = () => Promise.reject(new Fault("upstream-rejected", "no"));
    expect(await subscribe("file:///a")).toMatchObject({ refusal: { code: "upstream-rejected" } });
    expect(await world.outcomes()).toEqual(["outcome:upstream-rejected"]);
  });

  test("that cannot be recorded is taken back, and tells nothing", async () => {
    world.store.faults.next("disk-full");
    expect(await subscribe("file:///a")).toMatchObject({ refusal: { code: "ledger-unavailable" } });
    expect(world.upstream.watched.size).toBe(0);
  });
});
