import type { BackupHeader } from "../../backup/index.ts";
import { writeBackup } from "../../backup/index.ts";
import { object } from "../../api/index.ts";
import { Fault, ok, refuse } from "../../base/index.ts";
import { systemTenant } from "../../identity/index.ts";
import { newestCheckpoints } from "../../ledger/index.ts";
import { dataVersionOf, ownTables } from "../../store/index.ts";
import type { Snapshot } from "../../store/index.ts";
import type { House } from "../house.ts";
import { iso } from "../instant.ts";
import { route } from "../route.ts";

export const backupRoutes = [
  route({
    method: "POST",
    path: "/backup",
    summary: "A backup of the whole installation as it is at this moment, sealed",
    notes:
      "For people of the tenant `system`: it holds all tenants. The answer is the file. What it is sealed with is agreed on by whoever asks and the recipient of the backup, so that the node keeps nothing that opens it; `signalbox backup create` does that. One at a time.",
    action: "admin.backup.create",
    kind: "act",
    body: object({
      key: {
        type: "string",
        pattern: "^[A-Za-z0-9_-]{43}$",
        description: "the file's own key, 32 bytes in base64url",
      },
      envelope: {
        type: "string",
        maxLength: 1_024,
        pattern: "^[ -~]+$",
        description: "what stands in front of the file, for its recipient to make the key again",
      },
    }),
    example: { key: "A".repeat(43), envelope: "{}" },
    type: "application/octet-stream",
    answer: { description: "the file" },
    handle: async ({ actor, act, body }, house) => {
      if (actor.tenant !== systemTenant) {
        const detail = "A backup holds all tenants: it is for people of the tenant `system`.";
        return refuse({ code: "forbidden", detail });
      }
      if (house.backups.isUnderWay) return refuse({ code: "conflict", detail: alreadyOne });
      // Before the file, so that the file has it.
      const change = { writes: [], value: null, applied: () => undefined };
      const performed = await house.acts.perform(act, null, change, { envelope: body.envelope });
      if (!performed.ok) return performed;
      return ok(fileOf(house, { key: Buffer.from(body.key, "base64url"), envelope: body.envelope }));
    },
  }),
];

const alreadyOne = "Another backup is under way: there is one at a time.";

/** Nothing is opened before its first byte is asked for, and all is closed however the reading of it ends. */
async function* fileOf(house: House, seal: Parameters<typeof writeBackup>[1]): AsyncGenerator<Uint8Array> {
  const { backups, store, keys, tables } = house;
  if (backups.isUnderWay) throw new Fault("conflict", alreadyOne);
  backups.isUnderWay = true;
  try {
    const snapshot = await store.snapshot();
    try {
      const header = await headerOf(house, snapshot);
      const sign = (bytes: Uint8Array) => keys.sign("log", bytes);
      yield* writeBackup({ snapshot, tables: [...ownTables, ...tables], header, sign }, seal);
    } finally {
      snapshot.close();
    }
  } finally {
    backups.isUnderWay = false;
  }
}

async function headerOf(house: House, snapshot: Snapshot): Promise<BackupHeader> {
  const { clock, keys, ledger, node, tables } = house;
  return {
    format: 1,
    installation: ledger.installationId,
    code: node.version,
    dataVersion: dataVersionOf(tables),
    at: iso(clock.wall()),
    checkpoints: Object.fromEntries(await newestCheckpoints(snapshot)),
    publicKey: Buffer.from(keys.publicKey("log").raw).toString("base64"),
  };
}
