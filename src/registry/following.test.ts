import { expect, test } from "vitest";
import { seededRandom } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { append } from "../store/index.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { MemoryStore } from "../store/memory/index.ts";
import { changeLog } from "./changes.ts";
import type { Pin, RegistryOptions } from "./index.ts";
import { Registry, registryTables } from "./index.ts";
import { changeTable } from "./tables.ts";
import { Rig, definition, stdio } from "./rig.suite.ts";

/** Two nodes on the same data: what one changes, the other holds after it has caught up. */
class Pair {
  readonly rig: Rig;
  readonly other: Registry;
  /** The other's. */
  readonly store: MemoryStore;

  private constructor(rig: Rig, other: Registry, store: MemoryStore) {
    this.rig = rig;
    this.other = other;
    this.store = store;
  }

  static async started(rig: Rig = new Rig(), options: Partial<RegistryOptions> = {}): Promise<Pair> {
    await rig.store.start();
    await rig.registry.start();
    const { clock, database } = rig;
    const store = openMemoryStore({ tables: registryTables, clock, database });
    await store.start();
    const other = new Registry({ store, clock, random: seededRandom("the other node"), ...options });
    await other.start();
    return new Pair(rig, other, store);
  }
}

test("a server added, changed and removed on one node is so on the other", async () => {
  const { rig, other } = await Pair.started();
  const { id } = await rig.add("files");
  expect(other.serverNamed(defaultTenant, "files")).toBeNull();
  await other.catchUp();
  expect(other.server(id)).toEqual(rig.registry.server(id));

  await rig.commit(rig.registry.changeServer(defaultTenant, id, { name: "papers" }));
  await other.catchUp();
  expect(other.serverNamed(defaultTenant, "papers")?.version).toBe(2);
  expect(other.serverNamed(defaultTenant, "files")).toBeNull();

  await rig.commit(rig.registry.removeServer(defaultTenant, id));
  await other.catchUp();
  expect(other.server(id)).toBeNull();
});

test("pins, classes and forgotten tools are followed, and listeners hear of the lists that moved", async () => {
  const { rig, other } = await Pair.started();
  const { id } = await rig.add("files");
  await rig.offer(id, [definition("read"), definition("write")]);
  await other.catchUp();
  const moved: string[][] = [];
  other.onListChanged((_, kinds) => moved.push([...kinds]));
  expect(other.toolNamed(defaultTenant, "files__read")).toEqual(rig.tool("files__read"));

  await rig.offer(id, [definition("read", { description: "reads more" })]);
  await other.catchUp();
  expect(other.toolNamed(defaultTenant, "files__read")?.state.kind).toBe("quarantined");
  expect(other.toolNamed(defaultTenant, "files__write")?.state.kind).toBe("gone");
  expect(moved).toEqual([["tools"]]);

  const { state } = rig.tool("files__read");
  const pin = state.kind === "quarantined" ? state.offeredPin : ("" as Pin);
  await rig.commit(rig.registry.approvePin(rig.tool("files__read"), pin));
  await rig.commit(rig.registry.forgetTool(rig.tool("files__write")));
  await rig.commit(rig.registry.setClass(rig.tool("files__read"), { kind: "read" }));
  await other.catchUp();
  expect(other.toolNamed(defaultTenant, "files__read")).toEqual(rig.tool("files__read"));
  expect(other.toolNamed(defaultTenant, "files__write")).toBeNull();
});

test("policies put in force on one node are in force on the other, which is told once", async () => {
  const { rig, other } = await Pair.started();
  const told: string[] = [];
  other.onPoliciesFollowed((tenant) => told.push(tenant));
  const version = await rig.commit(
    rig.registry.putPolicies(defaultTenant, [
      { name: "a.cedar", text: "permit(principal, action, resource);" },
    ]),
  );
  await other.catchUp();
  await other.catchUp();
  expect(other.activePolicies(defaultTenant)?.version.digest).toBe(version.digest);
  expect(told).toEqual([defaultTenant]);
});

test("limits set on one node are in force on the other, which is told once; of two who set them at once one is told so", async () => {
  const { rig, other } = await Pair.started();
  const told: string[] = [];
  other.limits.onChange((tenant) => told.push(tenant));
  const few = { perPrincipalCallsMax: 5, tenantCallsMax: 20, agents: { invoicer: 2 } };
  const late = other.limits.put(defaultTenant, { ...few, tenantCallsMax: 7 }, "api");
  await rig.commit(rig.registry.limits.put(defaultTenant, few, "api"));
  if (!late.ok) throw new Error(late.refusal.detail);
  expect(await rig.tryCommit(late.value)).toBe(false);
  await other.catchUp();
  await other.catchUp();
  expect(other.limits.of(defaultTenant)).toEqual(rig.registry.limits.of(defaultTenant));
  expect(other.limits.of(defaultTenant)).toMatchObject({ version: 1, origin: "api", limits: few });
  expect(told).toEqual([defaultTenant]);
});

test("what newer code tells of is passed over", async () => {
  const { rig, other } = await Pair.started();
  await rig.store.commit([append(changeTable, { id: "rgc_1", log: changeLog, subject: "weather default" })]);
  const { id } = await rig.add("files");
  await other.catchUp();
  expect(other.server(id)?.name).toBe("files");
});

test("a node whose store has forgotten what it followed says so, also when as much was changed since", async () => {
  let forgotten = 0;
  const { rig, other, store } = await Pair.started(new Rig(), { onForgotten: () => void forgotten++ });
  await rig.add("files");
  await other.catchUp();
  const lagged = rig.database.copy();
  await rig.add("lost");
  await other.catchUp();
  const promoted = new Rig({ random: seededRandom("promoted") }, lagged);
  await promoted.store.start();
  await promoted.registry.start();
  // The other node's reads lead to the promoted one from here on.
  store.listLog = promoted.store.listLog.bind(promoted.store);
  for (const name of ["new", "newer"]) {
    await expect(other.catchUp()).rejects.toThrow("forgotten");
    await promoted.add(name);
  }
  await expect(other.catchUp()).rejects.toThrow("forgotten");
  expect(forgotten).toBe(3);
});

test("a file applied by one node is not applied again by another", async () => {
  const { rig, other } = await Pair.started();
  const section = {
    digest: "d".repeat(64) as never, // any digest does
    servers: [{ name: "files", transport: stdio() }],
  };
  const planned = rig.registry.applyFile(defaultTenant, section);
  if (!planned.ok) throw new Error(planned.refusal.detail);
  for (const change of planned.value) expect(await rig.tryCommit(change)).toBe(true);
  const early = other.applyFile(defaultTenant, section);
  expect(early.ok && early.value.length).toBeGreaterThan(0);
  await other.catchUp();
  expect(other.applyFile(defaultTenant, section)).toEqual({ ok: true, value: [] });
});

test("what two nodes change at once, one of them changes; the loser sees it after it has caught up", async () => {
  const { rig, other } = await Pair.started();
  const { id } = await rig.add("files");
  await other.catchUp();
  const late = other.setServerEnabled(defaultTenant, id, false);
  await rig.commit(rig.registry.changeServer(defaultTenant, id, { name: "papers" }));
  if (!late.ok) throw new Error(late.refusal.detail);
  expect(await rig.tryCommit(late.value)).toBe(false);
  await other.catchUp();
  expect(other.server(id)).toMatchObject({ name: "papers", enabled: true });
});

test("what a node changed itself is left as it is when its own word comes back", async () => {
  const { rig } = await Pair.started();
  const { id } = await rig.add("files");
  await rig.offer(id, [definition("read")]);
  const tool = rig.tool("files__read");
  const revision = rig.registry.revision(defaultTenant);
  await rig.registry.catchUp();
  expect(rig.tool("files__read")).toBe(tool);
  expect(rig.registry.revision(defaultTenant)).toBe(revision);
});

test("a running node catches up by itself within a second", async () => {
  const { rig, other } = await Pair.started();
  await rig.add("files");
  rig.clock.advance(1_000);
  await expect.poll(() => other.serverNamed(defaultTenant, "files")).not.toBeNull();
});
