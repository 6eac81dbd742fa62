import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  checkBackup,
  newBackupSecret,
  openFor,
  recipientOf,
  recipientOfSecret,
  sealFor,
  secretOf,
} from "../backup/index.ts";
import { systemRandom } from "../base/index.ts";
import { defaultTenant, identityTables, systemTenant } from "../identity/index.ts";
import { keyTables } from "../keys/index.ts";
import { ledgerTables } from "../ledger/index.ts";
import { approvalTables } from "../approvals/index.ts";
import { registryTables } from "../registry/index.ts";
import { runsTables } from "../runs/index.ts";
import { ownTables } from "../store/index.ts";
import type { Table } from "../store/index.ts";
import { vaultTables } from "../vault/index.ts";
import type { Office } from "./office.suite.ts";
import { eventually, newestEntries, openOffice } from "./office.suite.ts";

const tables = new Map<string, Table>(
  [
    ...ownTables,
    ...keyTables,
    ...identityTables,
    ...ledgerTables,
    ...registryTables,
    ...vaultTables,
    ...approvalTables,
    ...runsTables,
  ].map((table) => [table.name, table]),
);
const secret = secretOf(newBackupSecret(systemRandom));

let office: Office;
beforeAll(async () => {
  office = await openOffice();
});
afterAll(() => office.stop());

function order() {
  const { key, envelope } = sealFor(recipientOf(recipientOfSecret(secret)), systemRandom);
  return { key: Buffer.from(key).toString("base64url"), envelope };
}
const post = (token: string, body: object = order()) =>
  fetch(`${office.url}/api/v1/backup`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
const read = async (response: Response) =>
  checkBackup([Buffer.from(await response.arrayBuffer())] as never, (line) => openFor(secret, line), tables);

test("is for people of the tenant system, whoever else may do everything in theirs, and has its entry in itself", async () => {
  const refused = await post(office.admin);
  expect(refused.status).toBe(403);
  expect(await newestEntries(office, 1)).toEqual(["act admin.backup.create refused forbidden"]);
  const clerk = await office.keyFor(systemTenant, "person", "clerk", []);
  expect((await post(clerk)).status).toBe(403);

  const response = await post(office.systemAdmin);
  expect(response.headers.get("content-type")).toBe("application/octet-stream");
  const entries: string[] = [];
  await checkBackup(
    [Buffer.from(await response.arrayBuffer())] as never,
    (line) => openFor(secret, line),
    tables,
    {
      rows: async (table, rows) => {
        if (table.name === "entry") entries.push(...rows.map((row) => String(row["leaf"])));
      },
    },
  );
  expect(entries.filter((leaf) => leaf.includes('"admin.backup.create"'))).toHaveLength(3);
});

test("of which the reader goes away half-way leaves room for the next", async () => {
  // More than sockets buffer between the two ends.
  for (let n = 0; n < 200; n++) {
    const made = office.vault.put(defaultTenant, `filling-${n}`, "x".repeat(60_000));
    await office.commit(made);
  }
  await new Promise<void>((resolve) => {
    const asking = request(
      `${office.url}/api/v1/backup`,
      {
        method: "POST",
        headers: { authorization: `Bearer ${office.systemAdmin}`, "content-type": "application/json" },
      },
      (response) => {
        response.once("data", () => {
          response.destroy();
          resolve();
        });
      },
    );
    asking.end(JSON.stringify(order()));
  });
  const next = await eventually(async () => {
    const response = await post(office.systemAdmin);
    if (response.status !== 200) return null;
    return read(response);
  });
  expect(next.proven).toBeGreaterThan(0);
  expect(office.troubles).toEqual([]);
});

test("is one at a time", async () => {
  const first = await post(office.systemAdmin);
  const second = await post(office.systemAdmin);
  expect([first.status, second.status]).toEqual([200, 409]);
  await read(first);
  expect((await read(await post(office.systemAdmin))).unsequenced).toBeGreaterThanOrEqual(0);
});

test("wants a key of the right size", async () => {
  expect((await post(office.systemAdmin, { ...order(), key: "short" })).status).toBe(400);
});
