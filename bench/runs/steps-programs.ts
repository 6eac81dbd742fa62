import { performance } from "node:perf_hooks";
import { Agent, fetch as undiciFetch } from "undici";
import { connect } from "../../sdk/index.ts";
import { sha256Hex, systemClock, systemRandom } from "../../src/base/index.ts";
import type { Principal } from "../../src/identity/index.ts";
import { Keys, keyTables } from "../../src/keys/index.ts";
import { Ledger, ledgerTables } from "../../src/ledger/index.ts";
import { Runs, runsTables } from "../../src/runs/index.ts";
import { append, logTable, loadPostgres, openSqliteStore, text } from "../../src/store/index.ts";
import { serve } from "./child.ts";
import { loadNode } from "./load-node.ts";
import { valueOf } from "./value-of.ts";

/**
 * What steps.ts measures, each in a process of its own:
 * `node bench/runs/steps-programs.ts journal <directory> | room <directory> [url of a database] | node <directory> | sdk <url> <token>`.
 */
export interface Drive {
  readonly inFlight: number;
  readonly stepsPerRun: number;
}

/** Everything since the process began. */
export interface Mark {
  readonly steps: number;
  readonly runs: number;
  readonly atMs: number;
  readonly cpuMs: number;
  readonly rssMiB: number;
}

/** One run from its beginning to its end; `step` is to be called after each of its steps. */
type DriveRun = (name: string, steps: number, step: () => void) => Promise<void>;

const counted = { steps: 0, runs: 0 };
const output = { text: `Book the one at nine. ${"x".repeat(60)}` };

/** The floor: a row per step through the same group commit, and nothing else. */
async function startJournal(directory: string): Promise<DriveRun> {
  const entries = logTable({
    name: "entry",
    columns: { id: text, tenant: text, leaf: text },
    id: "id",
    partition: "tenant",
  });
  const store = openSqliteStore({ directory, tables: [entries], clock: systemClock });
  await store.start();
  const leaf = JSON.stringify({ v: 1, kind: "step", tenant: "default", pad: "x".repeat(500) });
  return async (name, steps, step) => {
    for (let i = 0; i < steps; i++) {
      await store.commit([append(entries, { id: `${name}:${i}`, tenant: "default", leaf })]);
      step();
    }
  };
}

/** One for all who share a database. */
const sharedKek = new Uint8Array(32).fill(7);

const owner: Principal = {
  id: "agt_01h455vb4pex5vsknk084sn02q" as Principal["id"],
  kind: "agent",
  name: "bench",
  roles: [],
  tenant: "default" as Principal["tenant"],
  chain: [],
  version: "1",
};

/** Longer than any bench: nobody renews it. */
const leaseMs = 3_600_000;

/** Runs and what they stand on, without HTTP. On a database it shares that with others like it, with a lease that each flush proves. */
async function startRoom(directory: string, database: string): Promise<DriveRun> {
  const sources = { clock: systemClock, random: systemRandom };
  const tables = [...keyTables, ...ledgerTables, ...runsTables];
  const isShared = database !== "";
  const store = isShared
    ? (await loadPostgres()).openPostgresStore({ connection: { url: database }, tables, clock: systemClock })
    : openSqliteStore({ directory, tables, clock: systemClock });
  await store.start();
  const holder = `node-${process.pid}`;
  if (isShared) {
    const lease = await store.acquireLease(`node/${holder}`, holder, leaseMs);
    if (lease !== null) store.bindToLease(lease);
  }
  const keys = new Keys({ ...sources, store, kek: isShared ? sharedKek : systemRandom.bytes(32) });
  await keys.start();
  const ledger = new Ledger({ ...sources, store, keys, installationId: "bench", holder });
  await ledger.start();
  const nobody = {
    hooks: new Map(),
    asksOf: () => Promise.resolve([]),
    hostedOf: () => null,
    onDue: () => undefined,
  };
  const runs = new Runs({ ...sources, store, keys, ledger, ...nobody });
  const input = sha256Hex("what it was made from");
  return async (name, steps, step) => {
    const { run } = valueOf(await runs.attach(owner, name, { deadlineMs: null }));
    const speaker = { name, attempt: run.attempt };
    for (let i = 0; i < steps; i++) {
      const asked = { key: `step-${i}`, kind: "model", input, output, note: null } as const;
      valueOf(await runs.record(owner, speaker, asked));
      step();
    }
    valueOf(await runs.end(owner, speaker, { state: "finished", result: null }));
  };
}

/** What an agent embeds. Connections are bounded, as those of any one process would be. */
function startSdk(url: string, token: string): DriveRun {
  const dispatcher = new Agent({ connections: 128 });
  const over = (input: Parameters<typeof undiciFetch>[0], init?: Parameters<typeof undiciFetch>[1]) =>
    undiciFetch(input, { ...init, dispatcher });
  const signalbox = connect({ url, token, fetch: over as unknown as typeof fetch });
  return async (name, steps, step) => {
    await signalbox.run(name, async (run) => {
      for (let i = 0; i < steps; i++) {
        await run.model(`step-${i}`, { input: "what it was made from", call: () => ({ output }) });
        step();
      }
    });
  };
}

/** Keeps so many runs in flight for as long as the process lives. */
function drive(driveRun: DriveRun, { inFlight, stepsPerRun }: Drive): void {
  const one = async (who: number): Promise<void> => {
    for (let n = 0; ; n++) {
      await driveRun(`run-${process.pid}-${who}-${n}`, stepsPerRun, () => counted.steps++);
      counted.runs++;
    }
  };
  Promise.all(Array.from({ length: inFlight }, (_, who) => one(who))).catch((thrown: unknown) => {
    console.error(thrown);
    process.exit(1);
  });
}

function mark(): Mark {
  const { user, system } = process.cpuUsage();
  const rssMiB = process.memoryUsage().rss / 2 ** 20;
  return { ...counted, atMs: performance.now(), cpuMs: (user + system) / 1000, rssMiB };
}

const [kind, where = "", token = ""] = process.argv.slice(2);
if (kind === "node") {
  const { startNode, tokensFor } = await loadNode();
  const running = await startNode({
    directory: where,
    port: 0,
    upstreamPort: null,
    toolClass: "read",
    policies: null,
  });
  const [agent = ""] = await tokensFor(running, ["bench"]);
  serve({ url: running.url, token: agent }, async () => mark());
} else {
  const driveRun =
    kind === "journal"
      ? await startJournal(where)
      : kind === "room"
        ? await startRoom(where, token)
        : startSdk(where, token);
  process.on("disconnect", () => process.exit(0));
  serve("ready", async (asked: { readonly start?: Drive }) => {
    if (asked.start !== undefined) drive(driveRun, asked.start);
    return mark();
  });
}
