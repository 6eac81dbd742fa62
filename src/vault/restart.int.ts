import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Result } from "../base/index.ts";
import { invariant, systemClock, systemRandom } from "../base/index.ts";
import { defaultTenant, Identities, identityTables } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import type { Change } from "../store/index.ts";
import { openSqliteStore } from "../store/index.ts";
import { Vault, vaultTables } from "./index.ts";

const tables = [...identityTables, ...keyTables, ...vaultTables];
const common = { clock: systemClock, random: systemRandom };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "signalbox-vault-"));
});
afterEach(() => rm(directory, { recursive: true }));

const granted = <T>(result: Result<T>): T => {
  invariant(result.ok, "refused");
  return result.value;
};

async function node() {
  const store = openSqliteStore({ directory, tables, ...common });
  await store.start();
  const keys = new Keys({ store, kek: new Uint8Array(32).fill(1), ...common });
  await keys.start();
  const identities = new Identities({ store, keys, ...common });
  await identities.start();
  const vault = new Vault({ store, keys, clock: systemClock });
  const make = async <T>(change: Result<Change<T>>): Promise<T> => {
    const { writes, value, applied } = granted(change);
    expect((await store.commit(writes)).verdict).toBe("done");
    applied();
    return value;
  };
  const stop = async () => {
    for (const room of [vault, identities, keys, store]) await room.stop();
  };
  return { identities, vault, make, stop };
}

test("who may come in, and the secrets, are the same after a restart on a real disk", async () => {
  const before = await node();
  const first = await before.make(before.identities.bootstrap());
  const admin = granted(before.identities.recorded(defaultTenant, first.default.admin.id));
  const issue = () => before.identities.issueApiKey(admin, admin.id, { label: "laptop", ttlMs: null });
  const kept = await before.make(issue());
  const revoked = await before.make(issue());
  const agent = await before.make(before.identities.createAgent(admin, { name: "bot", roles: ["a"] }));
  const ended = granted(before.identities.issueToken(admin, agent.id)).token;
  await before.make(before.identities.revokeTokens(admin, agent.id));
  const { token } = granted(before.identities.issueToken(admin, agent.id));
  await before.make(before.identities.revokeApiKey(admin, admin.id, revoked.record.id));
  await before.make(await before.vault.put(defaultTenant, "github", "first"));
  await before.make(await before.vault.put(defaultTenant, "github", "second"));
  await before.stop();

  const after = await node();
  expect(granted(after.identities.bootstrap()).writes).toEqual([]);
  const answers = await Promise.all(
    [kept.secret, revoked.secret, token, ended].map(async (each) => {
      const result = await after.identities.authenticate(each);
      return result.ok ? result.value.name : result.refusal.code;
    }),
  );
  expect(answers).toEqual(["admin", "unauthenticated", "bot", "principal-disabled"]);
  expect(await after.identities.list(admin, { kind: "agent" })).toMatchObject([{ name: "bot", epoch: 2 }]);
  expect(await after.vault.reveal(defaultTenant, "github")).toBe("second");
  expect(await after.vault.list(defaultTenant)).toMatchObject([{ name: "github", version: 2 }]);
  await after.stop();
});
