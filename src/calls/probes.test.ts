import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { delay, Fault, remainingMs } from "../base/index.ts";
import type { Result } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { noCapabilities } from "../registry/index.ts";
import type { Health, Tool, ToolClass, ToolProbe } from "../registry/index.ts";
import type { Change } from "../store/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../upstream/index.ts";
import { codeOf } from "./asking.fixture.ts";
import { findingOf } from "./probe-finding.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

let world: World;
/** What tools answer to a probe. Calls of agents have other arguments. */
let probed: (request: UpstreamRequest) => UpstreamReply | Promise<UpstreamReply>;

const probe: ToolProbe = { arguments: { path: "probe" }, everyMs: 60_000 };
const isProbe = ({ argumentsText }: UpstreamRequest) => argumentsText === '{"path":"probe"}';

beforeEach(async () => {
  world = await openWorld();
  const answerOthers = world.upstream.answer;
  world.upstream.answer = (request) => (isProbe(request) ? probed(request) : answerOthers(request));
  probed = well;
});
afterEach(() => world.stop());

const well = () => resultOf('{"content":[{"type":"text","text":"fine"}]}');
const ill = () => resultOf('{"content":[{"type":"text","text":"no database"}],"isError":true}');

const tool = (name = "files__read"): Tool => world.registry.toolNamed(defaultTenant, name)!;
const own = (name?: string) => world.registry.ownHealthOf(tool(name));
const shown = () =>
  world.registry.callableToolsOf(defaultTenant, noCapabilities).map(({ exposedName }) => exposedName);
const probes = (name = "read") =>
  world.upstream.sent.filter((request) => isProbe(request) && request.name === name).length;
const lastOf = (name?: string) => world.line.probed(tool(name).id);

async function make<T>(change: Result<Change<T>>): Promise<void> {
  if (!change.ok) throw new Error(change.refusal.detail);
  await world.store.commit(change.value.writes);
  change.value.applied();
}
const give = (toolClass: ToolClass, name?: string) => make(world.registry.setClass(tool(name), toolClass));
const serverIs = (health: Health) => world.registry.reportHealth(tool().server.id, health);

/** Lets time pass, and what it wakes come to its end. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    world.clock.advance(500);
    for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}
/** Until it was probed once more. */
async function oneMore(name = "read"): Promise<void> {
  const before = probes(name);
  for (let i = 0; i < 200 && probes(name) === before; i++) await pass(500);
  expect(probes(name)).toBe(before + 1);
  await pass(500);
}

describe("a tool with a probe", () => {
  test("is called with its arguments, again and again, and each is an entry of the node's own", async () => {
    await give({ kind: "read", probe });
    await oneMore();
    await oneMore();
    expect(own()).toBeNull();
    expect(lastOf()).toMatchObject({ found: "well", reason: null });
    const [entry] = await world.ledger.list(defaultTenant, { limit: 1 });
    expect(entry?.entry).toMatchObject({
      kind: "outcome",
      subject: tool().id,
      run: null,
      outcome: { kind: "succeeded", isError: false },
    });
    expect(entry?.entry.principals[0]).not.toBe(world.agent.id);
    expect(world.troubles).toEqual([]);
  });

  test("is called on its interval and not more often, and one without a probe never", async () => {
    await give({ kind: "read", probe });
    await pass(10_000);
    expect(probes()).toBe(1);
    await pass(10 * 60_000);
    expect(probes()).toBeGreaterThanOrEqual(9);
    expect(probes()).toBeLessThanOrEqual(12);
    expect(world.upstream.sent.every(({ name }) => name === "read")).toBe(true);
  });

  test("is flawed after one failure and gone for agents after the next, who are told why; one success brings it back", async () => {
    const lists: string[] = [];
    world.registry.onListChanged((_tenant, kinds) => lists.push(...kinds));
    await give({ kind: "read", probe });
    probed = ill;
    await oneMore();
    expect(own()).toMatchObject({ state: "degraded", cause: "dependency" });
    expect(shown()).toContain("files__read");
    await oneMore();
    expect(own()).toMatchObject({
      state: "down",
      cause: "dependency",
      reason: "it answered a probe with an error: no database",
    });
    expect(shown()).not.toContain("files__read");
    expect(lists).toEqual(["tools"]);
    const refused = await world.call("files__read", { path: "a" });
    expect(codeOf(refused)).toBe("tool-unavailable");
    expect(JSON.stringify(refused)).toContain(
      '\\"files__read\\" is down (dependency): it answered a probe with an error: no database',
    );
    expect(shown()).toContain("files__checked");
    probed = well;
    await oneMore();
    expect(own()).toBeNull();
    expect(lists).toEqual(["tools", "tools"]);
    expect((await world.call("files__read", { path: "a" })).kind).toBe("result");
  });

  test("that does not work is looked at soon, and less and less often, up to its interval", async () => {
    await give({ kind: "read", probe });
    probed = ill;
    await pass(70_000);
    const first = probes();
    expect(first).toBeGreaterThanOrEqual(4);
    await pass(20 * 60_000);
    expect(probes() - first).toBeLessThanOrEqual(23);
  });

  test("that failed once, and then answered an agent, has not failed twice in a row", async () => {
    await give({ kind: "read", probe });
    probed = ill;
    await oneMore();
    await world.call("files__read", { path: "a" });
    expect(own()).toBeNull();
    await oneMore();
    expect(own()).toMatchObject({ state: "degraded" });
  });

  test("that never answers has failed after ten seconds, and holds up neither other servers nor agents", async () => {
    const other = world.registry.addServer(defaultTenant, {
      name: "other",
      transport: { kind: "http", url: "http://127.0.0.1:2/mcp", headers: {} },
      toolClasses: { read: { kind: "read", probe } },
    });
    await make(other);
    const server = world.registry.serverNamed(defaultTenant, "other")!;
    const offer = await world.registry.offer(server.id, [{ name: "read", inputSchema: { type: "object" } }]);
    if (offer.ok) for (const change of offer.value.changes) await make({ ok: true, value: change });
    world.registry.reportHealth(server.id, { state: "healthy", since: world.clock.wall() });
    await make(world.registry.changeServer(defaultTenant, tool().server.id, { concurrencyMax: 2 }));
    await give({ kind: "read", probe });
    await give({ kind: "read", probe }, "files__checked");
    probed = async (request) => {
      if (request.server.name === "other") return well();
      await delay(world.clock, remainingMs(world.clock, request.deadline));
      throw new Fault("deadline-exceeded", "it did not answer", { effect: "unknown" });
    };
    await pass(18_000);
    // One at a time, though rounds go on: the second place is left to agents.
    expect(world.upstream.sent.filter(({ server: { name } }) => name === "files")).toHaveLength(1);
    expect((await world.call("files__read", { path: "a" })).kind).toBe("result");
    expect(lastOf("other__read")).toMatchObject({ found: "well" });
    await pass(40_000);
    expect(own()).toMatchObject({ state: "down", cause: "dependency" });
    expect(lastOf()).toMatchObject({ found: "ill" });
  });

  test("does not take a server's last place, and nothing is said of it", async () => {
    await make(world.registry.changeServer(defaultTenant, tool().server.id, { concurrencyMax: 1 }));
    await give({ kind: "read", probe });
    let end: (reply: UpstreamReply) => void = () => undefined;
    const { answer } = world.upstream;
    world.upstream.answer = (request) =>
      isProbe(request) ? answer(request) : new Promise((resolve) => (end = resolve));
    const agents = world.call("files__checked", { path: "a" });
    await pass(30_000);
    expect([probes(), lastOf(), own()]).toEqual([0, null, null]);
    end(well());
    await agents;
    await oneMore();
  });
});

describe("a probe is no way around", () => {
  test("a policy that forbids it, or asks people about it; that says nothing of the tool", async () => {
    for (const text of [
      "permit(principal, action, resource); forbid(principal, action, resource);",
      'permit(principal, action, resource); @approve("group=finance") forbid(principal, action, resource);',
    ]) {
      world.setPolicies(text);
      await give({ kind: "read", probe: { ...probe, everyMs: 60_001 + text.length } });
      await pass(20_000);
      expect(lastOf()?.found).toBe("unmade");
      expect([probes(), own()]).toEqual([0, null]);
    }
    expect(await world.outcomes()).toEqual(
      expect.arrayContaining(["outcome:denied", "outcome:approval-needed"]),
    );
  });

  test("that permits nothing to anybody is no such: whoever gave the tool a probe has said that it may be called so", async () => {
    world.setPolicies('permit(principal, action, resource) when { principal.name == "nobody" };');
    await give({ kind: "read", probe });
    await oneMore();
    expect(lastOf()?.found).toBe("well");
  });

  test("the tool's schema: its misfit is told to whoever looks, and the tool goes on", async () => {
    await give({ kind: "read", probe: { ...probe, arguments: { path: 7 } } });
    await pass(20_000);
    expect(lastOf()).toMatchObject({ found: "unmade", reason: expect.stringContaining("path") });
    expect([probes(), own()]).toEqual([0, null]);
  });

  test("quarantine, and nothing is probed whose server is disabled, removed or not connected", async () => {
    await give({ kind: "read", probe });
    await oneMore();
    const { id } = tool().server;
    serverIs({ state: "down", since: world.clock.wall(), cause: "dependency", reason: "it is gone" });
    await pass(300_000);
    serverIs({ state: "connecting", since: world.clock.wall() });
    await pass(300_000);
    serverIs({ state: "healthy", since: world.clock.wall() });
    await make(world.registry.setServerEnabled(defaultTenant, id, false));
    await pass(300_000);
    expect(probes()).toBe(1);
    await make(world.registry.setServerEnabled(defaultTenant, id, true));
    await oneMore();
    await world.offer([{ name: "read", description: "other", inputSchema: { type: "object" } }]);
    expect(tool().state.kind).toBe("quarantined");
    await pass(300_000);
    expect(probes()).toBe(2);
    await make(world.registry.removeServer(defaultTenant, id));
    await pass(300_000);
    expect(probes()).toBe(2);
    expect(world.troubles).toEqual([]);
  });

  test("the class: a tool that is of another one by now is not called, and is as its server again", async () => {
    await give({ kind: "read", probe });
    probed = ill;
    await oneMore();
    await oneMore();
    expect(own()?.state).toBe("down");
    await give({ kind: "effect" });
    await pass(300_000);
    expect(probes()).toBe(2);
    expect([own(), lastOf()]).toEqual([null, null]);
    const forged = await world.call("files__read", { path: "a" }, {}, { isProbe: true });
    expect(codeOf(forged)).toBe("denied");
  });
});

test("a tool that is down is looked at again when its server has come back", async () => {
  await give({ kind: "read", probe: { ...probe, everyMs: 24 * 3_600_000 } });
  probed = ill;
  await pass(3_600_000);
  expect(own()?.state).toBe("down");
  const before = probes();
  serverIs({ state: "down", since: world.clock.wall(), cause: "dependency", reason: "it restarts" });
  await pass(10_000);
  probed = well;
  serverIs({ state: "healthy", since: world.clock.wall() });
  await pass(10_000);
  expect(probes()).toBe(before + 1);
  expect(own()).toBeNull();
});

test("what is asked of a server that went away meanwhile says nothing", async () => {
  await give({ kind: "read", probe });
  let end: (reply: UpstreamReply) => void = () => undefined;
  probed = () => new Promise((resolve) => (end = resolve));
  await pass(10_000);
  expect(probes()).toBe(1);
  await make(world.registry.setServerEnabled(defaultTenant, tool().server.id, false));
  end(ill());
  await pass(1_000);
  expect(lastOf()).toMatchObject({ found: "ill" });
  expect(own()).toBeNull();
});

test("a node that stops waits for no probe and begins none", async () => {
  await give({ kind: "read", probe });
  probed = async (request) => {
    await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    throw new Fault("cancelled", "its caller has gone", { effect: "unknown" });
  };
  await pass(10_000);
  expect(probes()).toBe(1);
  await world.line.stop(3_600_000);
  await pass(120_000);
  expect([probes(), own(), world.line.callsUnderWay]).toEqual([1, null, 0]);
});

test("a result that breaks the tool's own schema makes it flawed, as a call of an agent does", async () => {
  await give({ kind: "read", probe }, "files__checked");
  probed = () => resultOf('{"content":[],"structuredContent":{"n":"one"}}');
  await oneMore("checked");
  await oneMore("checked");
  expect(own("files__checked")).toMatchObject({ state: "degraded", cause: "correctness" });
  expect(shown()).toContain("files__checked");
});

test("no credential is in what is known of a tool, and no more than fits in a line", async () => {
  await make(await world.vault.put(defaultTenant, "key", "s3cr3t-token-of-the-server-0123456789"));
  await world.vault.reveal(defaultTenant, "key"); // as for the server's connection
  await give({ kind: "read", probe });
  probed = () =>
    resultOf(
      JSON.stringify({
        content: [
          { type: "text", text: `no: s3cr3t-token-of-the-server-0123456789\n\u001b[2J${"x".repeat(9_000)}` },
        ],
        isError: true,
      }),
    );
  await oneMore();
  const health = own();
  const reason = health !== null && "reason" in health ? health.reason : "";
  expect(reason).not.toContain("s3cr3t");
  for (const control of ["\n", "\u001b"]) expect(reason).not.toContain(control);
  expect(reason.length).toBeLessThan(700);
  expect(lastOf()?.reason?.length).toBeLessThanOrEqual(500);
});

test("a finding tells apart what the tool did and what never came to it", () => {
  const refused = (code: "denied" | "upstream-garbage" | "queue-full" | "deadline-exceeded") =>
    findingOf({ kind: "refused", refusal: { code, detail: "" }, receipt: null });
  expect(refused("denied").kind).toBe("unmade");
  expect(refused("queue-full").kind).toBe("unmade");
  expect(refused("deadline-exceeded")).toMatchObject({ kind: "ill", cause: "dependency" });
  expect(refused("upstream-garbage")).toMatchObject({ kind: "ill", cause: "correctness" });
  expect(findingOf({ kind: "task", text: "{}", receipt: null }).kind).toBe("unmade");
});
