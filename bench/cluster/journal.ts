import pg from "pg";
import { serve } from "../runs/child.ts";
import type { Drive, Mark } from "../runs/steps-programs.ts";

/**
 * The ruler for steps: a row of 500 bytes per step, all that wait in one INSERT, the next one when that is committed. No lock, no lease, no guard,
 * no key, no index but the primary key's; `node bench/cluster/journal.ts <url of the database>`.
 */
const leaf = JSON.stringify({ v: 1, kind: "step", tenant: "default", pad: "x".repeat(450) });
const client = new pg.Client({ connectionString: process.argv[2] });
await client.connect();
await client.query(
  "CREATE TABLE IF NOT EXISTS journal (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, leaf text NOT NULL)",
);

let steps = 0;
let waiting: (() => void)[] = [];
let isFlushing = false;

async function flush(): Promise<void> {
  isFlushing = true;
  while (waiting.length > 0) {
    const batch = waiting;
    waiting = [];
    await client.query({
      name: "append",
      text: "INSERT INTO journal (leaf) SELECT unnest($1::text[])",
      values: [batch.map(() => leaf)],
    });
    for (const done of batch) done();
    await new Promise((resolve) => setImmediate(resolve)); // who was answered comes back first
  }
  isFlushing = false;
}

const append = (): Promise<void> =>
  new Promise((resolve) => {
    waiting.push(resolve);
    if (!isFlushing) void flush();
  });

async function goOn(): Promise<never> {
  for (;;) {
    await append();
    steps++;
  }
}

process.on("disconnect", () => process.exit(0));
serve("ready", async (asked: { readonly start?: Drive }): Promise<Mark> => {
  for (let i = 0; i < (asked.start?.inFlight ?? 0); i++) void goOn();
  const { user, system } = process.cpuUsage();
  const rssMiB = process.memoryUsage().rss / 2 ** 20;
  return { steps, runs: 0, atMs: performance.now(), cpuMs: (user + system) / 1000, rssMiB };
});
