import { afterAll, beforeAll } from "vitest";
import { PgBouncer, Postgres } from "../../../test/fixtures/postgres.ts";
import { copySuite } from "../copy.suite.ts";
import { openPostgresFill, openPostgresStore } from "./index.ts";
import { storeSuite } from "../store.suite.ts";

let cluster: Postgres;
let bouncer: PgBouncer;
beforeAll(async () => {
  cluster = await Postgres.start({ fsync: false });
  bouncer = await PgBouncer.start(cluster);
});
afterAll(async () => {
  await bouncer.stop();
  await cluster.stop();
});

storeSuite("postgres", async () => {
  const url = await cluster.createDatabase();
  return {
    open: (options) => openPostgresStore({ ...options, connection: { url }, time: "own" }),
    remove: () => cluster.dropDatabase(url),
  };
});

copySuite("postgres", async () => {
  const url = await cluster.createDatabase();
  return {
    open: (options) => openPostgresStore({ ...options, connection: { url }, time: "own" }),
    openFill: (tables) => openPostgresFill({ url }, tables),
    remove: () => cluster.dropDatabase(url),
  };
});

storeSuite("postgres behind PgBouncer in transaction mode, without LISTEN,", async () => {
  const url = await cluster.createDatabase();
  const connection = { url: bouncer.through(url), pooler: "transaction" } as const;
  return {
    open: (options) => openPostgresStore({ ...options, connection, time: "own" }),
    remove: () => cluster.dropDatabase(url),
  };
});
