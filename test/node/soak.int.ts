import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import type { Inspection, Resources } from "../fixtures/soak-inspect.ts";
import { childrenOf, processesWith } from "../fixtures/soak-processes.ts";
import type { Volume } from "../fixtures/soak-traffic.ts";
import { SoakTraffic } from "../fixtures/soak-traffic.ts";
import { SoakWorld } from "../fixtures/soak-world.ts";

/**
 * An hour of a busy developer's node in half a minute, three times the same: after each third everything that clients opened is closed,
 * and what the node still holds then is compared. SOAK_SCALE multiplies it.
 */
const scale = Number(process.env["SOAK_SCALE"] ?? 1);
const volume: Volume = {
  calls: 1_600 * scale,
  sessions: 2_400 * scale,
  listens: 480 * scale,
  abandoned: 96 * scale,
  withdrawn: 320 * scale,
  refused: 600 * scale,
};
const patienceMs = 120_000;
/** What clients no longer use is let go of within the test, and a server that comes back is found soon. */
const limits = {
  profileIdleMs: 500,
  probeIntervalMs: 1_000,
  relistIntervalMs: 1_000,
  backoffFirstMs: 100,
  backoffMaxMs: 400,
};
/** A scrape of ours over a connection of its own, and the one before it. */
const ownConnectionsMax = 4;
/**
 * A third is some 9,000 requests. Whatever were kept of each of them, 1 KB or one object, would show as 9 MB or 9,000 objects, and one
 * object of each stream or withdrawn call alone as 300; equal thirds were seen to differ by 1.3 MB and 100 objects, which wait in pools and
 * for finalizers.
 */
const heapGrowthMax = 4 * 1024 * 1024;
const objectGrowthMax = 250;
/** Small caches have up to 1,024 members, and begin anew. */
const collectionGrowthMax = 1_200;
/** Ours to a server that comes and goes by itself within seconds. */
const socketSlack = 3;

let world: SoakWorld;
let traffic: SoakTraffic;
beforeAll(async () => {
  world = await SoakWorld.start(limits);
  traffic = new SoakTraffic(world);
}, 180_000);
afterAll(async () => {
  await world.stop();
  world.remove();
}, 180_000);

/** Waits until nothing of what clients did goes on, as far as the node's own gauges tell. */
async function quiet(): Promise<void> {
  await world.isWhole();
  await until(async () => {
    world.giveUp();
    const { edge_connections: connections, ...open } = await world.gauges([
      "edge_connections",
      "edge_listeners",
      "edge_legacy_sessions",
      "calls_under_way",
      "server_calls_in_flight",
      "store_queue_transactions",
    ]);
    return Object.values(open).every((count) => count === 0) && connections <= ownConnectionsMax;
  }, patienceMs);
}

interface Third {
  readonly held: Inspection;
  /** Sessions that clients have ended so far. */
  readonly ended: number;
}

async function third(): Promise<Third> {
  await traffic.round(volume);
  await quiet();
  return { held: await world.node.inspect(), ended: traffic.endedSessions };
}

/** The kinds of which there are more than at the start. Those of one turn of the event loop are not counted. */
function surplus(start: Resources, now: Resources): readonly string[] {
  return Object.entries(now)
    .filter(([kind, count]) => {
      const slack = kind === "TCPSocketWrap" ? socketSlack : 0;
      return kind !== "Immediate" && count > (start[kind] ?? 0) + slack;
    })
    .map(([kind, count]) => `${kind}: ${start[kind] ?? 0} -> ${count}`);
}

/** Children of the node that have ended and were not waited for, and more than one process of a stdio server. */
function strangers(): readonly string[] {
  const children = childrenOf(world.node.pid);
  const ended = children.filter(({ state }) => state === "Z").map(({ pid }) => `zombie ${pid}`);
  const servers = children.filter(({ command }) => command.includes(world.directory));
  return [...ended, ...(servers.length === 2 ? [] : servers.map(({ pid, command }) => `${pid} ${command}`))];
}

/** Sizes of the large maps and sets, without the one that remembers which sessions were ended, up to a bound of its own. */
function sizes({ held, ended }: Third): readonly number[] {
  const all = held.collections.map(({ size }) => size);
  const remembered = all.findIndex((size) => Math.abs(size - ended) <= ended / 50);
  return all.filter((_, i) => i !== remembered);
}

/** What was meant to happen did. */
function expectTraffic(): void {
  const { calls, sessions, listens, abandoned, withdrawn, refused } = volume;
  const least = { call: calls, session: sessions, listen: listens, withdrawn, refused, kill: 1 };
  for (const [what, perThird] of Object.entries(least))
    expect(traffic.counts.get(what) ?? 0, what).toBeGreaterThanOrEqual(2 * perThird);
  for (const what of ["abandoned question", "abandoned question in a session"])
    expect(traffic.counts.get(what), what).toBeGreaterThanOrEqual(abandoned);
}

describe("a node that has worked for long", () => {
  test("holds no more than before, and leaves nothing behind", { timeout: 1_200_000 }, async () => {
    await quiet();
    const start = await world.node.resources();
    await traffic.round(volume);
    await quiet();
    const second = await third();
    const last = await third();
    const report = JSON.stringify({ start, second, last, counts: [...traffic.counts] }, null, 1);
    if (process.env["SOAK_REPORT"] !== undefined) console.log(report);
    expectTraffic();

    // Connections and processes for other capabilities stay for a few seconds after their last use.
    let more: readonly string[] = [];
    await until(async () => {
      more = [...surplus(start, await world.node.resources()), ...strangers()];
      return more.length === 0;
    }, patienceMs).catch(() => expect(more).toEqual([]));
    for (const [name, count] of Object.entries(last.held.objects)) {
      const most = (second.held.objects[name] ?? 0) + objectGrowthMax;
      expect(count, `${name} in ${report}`).toBeLessThanOrEqual(most);
    }
    const before = sizes(second);
    for (const [i, size] of sizes(last).entries()) {
      const most = (before[i] ?? 0) + collectionGrowthMax;
      expect(size, `collection ${i} in ${report}`).toBeLessThanOrEqual(most);
    }
    expect(last.held.heapBytes, report).toBeLessThanOrEqual(second.held.heapBytes + heapGrowthMax);

    await world.stop();
    expect(processesWith(world.directory)).toEqual([]);
    const ledger = await provenLedger(world.directory, traffic.receipts);
    expect(ledger.dispatched).toEqual([]);
  });
});
