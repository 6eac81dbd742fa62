import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Postgres } from "../../test/fixtures/postgres.ts";
import { systemClock, systemRandom } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import { openSqliteStore } from "../store/index.ts";
import { openPostgresStore } from "../store/postgres/index.ts";
import { Desk, tables } from "./sign-in.fixture.ts";

/** What the store has to decide, on the stores that nodes run with. */
let cluster: Postgres;
const directory = mkdtempSync(join(tmpdir(), "signalbox-sign-in-"));
const desks: Desk[] = [];

beforeAll(async () => {
  cluster = await Postgres.start({ fsync: false });
});
afterEach(async () => {
  for (const desk of desks.splice(0).toReversed()) {
    await desk.stop();
    expect(desk.troubles).toEqual([]);
  }
});
afterAll(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true });
});

async function open(store: Store): Promise<Desk> {
  const desk = await new Desk({ store, clock: systemClock, random: systemRandom }).start();
  desks.push(desk);
  return desk;
}

const atOnce = 24;
const rounds = 5;

const databases: readonly (readonly [string, () => Promise<readonly [Desk, ...Desk[]]>])[] = [
  ["SQLite", async () => [await open(openSqliteStore({ directory, tables, clock: systemClock }))]],
  [
    "PostgreSQL, with three nodes",
    async () => {
      const url = await cluster.createDatabase();
      const node = () => open(openPostgresStore({ connection: { url }, tables, clock: systemClock }));
      return [await node(), await node(), await node()];
    },
  ],
];

describe.each(databases)("on %s", (_name, start) => {
  test("a code is good once, however many bring it at once and wherever", async () => {
    const nodes = await start();
    const agent = await nodes[0].holder("invoicer");
    for (let round = 0; round < rounds; round++) {
      // Whichever node the person came to: the others have to know what it said yes to.
      const fields = await (nodes[round % nodes.length] ?? nodes[0]).signedIn(agent.key);
      const got = await Promise.all(
        Array.from({ length: atOnce }, (_, i) => (nodes[i % nodes.length] ?? nodes[0]).token(fields)),
      );
      const [winner, ...others] = got.filter(({ status }) => status === 200);
      expect([winner?.token_type, others]).toEqual(["Bearer", []]);
      expect(got.filter(({ error }) => error === "invalid_grant")).toHaveLength(atOnce - 1);
      for (const node of nodes)
        expect(await node.identities.authenticate(winner?.access_token ?? "")).toMatchObject({
          ok: true,
          value: { id: agent.id },
        });
    }
    const issued = (await nodes[0].entries(200)).filter((entry) =>
      entry.startsWith("signin.issue-token succeeded"),
    );
    expect(issued).toHaveLength(rounds);
  });

  test("a key that one node has revoked makes no token on another", async () => {
    const nodes = await start();
    const last = nodes.at(-1) ?? nodes[0];
    const agent = await nodes[0].holder("brief-agent");
    const fields = await nodes[0].signedIn(agent.key);
    await nodes[0].commit(nodes[0].identities.revokeApiKey(nodes[0].self, agent.id, agent.keyId));
    expect(await last.token(fields)).toMatchObject({ status: 400, error: "invalid_grant" });
  });
});
