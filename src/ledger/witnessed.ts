import type { WallMs } from "../base/index.ts";
import { wallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Store } from "../store/index.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import type { Cosignature } from "./cosignature.ts";
import { cosignatureIn, withLines } from "./cosignature.ts";
import type { VerifierKey } from "./note.ts";
import { cosignatureTable, headTable, sequenceTable } from "./tables.ts";

/** Lines read at once. A checkpoint has at most sixteen. */
const linesPerPage = 64;

/** The note with what witnesses said of it; as it is when they said nothing. */
export async function cosigned(
  read: Pick<Store, "list">,
  tenant: TenantId,
  size: number,
  note: string,
): Promise<string> {
  const rows = await read.list(cosignatureTable, {
    index: "key",
    equals: { tenant, size },
    limit: linesPerPage,
  });
  return withLines(
    note,
    rows.map(({ line }) => line),
  );
}

/** The first checkpoint over more than `index` entries that so many witnesses have co-signed; null = there is none yet. */
export async function firstWitnessed(
  read: Pick<Store, "list">,
  tenant: TenantId,
  index: number,
  quorum: number,
): Promise<string | null> {
  for (let from = index + 1; ;) {
    const rows = await read.list(cosignatureTable, {
      index: "key",
      equals: { tenant },
      from,
      limit: linesPerPage,
    });
    const sizes = Map.groupBy(rows, ({ size }) => size);
    for (const [size, said] of sizes) {
      if (said.length < quorum) continue;
      const note = await checkpointOver(read, tenant, size);
      if (note !== null)
        return withLines(
          note,
          said.map(({ line }) => line),
        );
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < linesPerPage) return null;
    // The last size may go on behind this page: it is read again, whole, unless it was all there was.
    from = sizes.size === 1 ? last.size + 1 : last.size;
  }
}

/** The checkpoint that was signed over exactly so many entries; null = none was. */
async function checkpointOver(
  read: Pick<Store, "list">,
  tenant: TenantId,
  size: number,
): Promise<string | null> {
  if (size < 1) return null;
  const [batch] = await read.list(sequenceTable, {
    index: "key",
    equals: { tenant },
    upTo: size - 1,
    order: "descending",
    limit: 1,
  });
  return batch !== undefined && parseCheckpoint(batch.checkpoint)?.size === size ? batch.checkpoint : null;
}

/** Heads read at once. */
const headsPerPage = 1_000;

/** A tenant's log, and how much of it a witness has co-signed. */
export interface WitnessCover {
  readonly tenant: TenantId;
  readonly size: number;
  /** When the newest checkpoint was signed. */
  readonly at: WallMs;
  /** 0 = nothing. */
  readonly covered: number;
}

/** From what is stored, without asking anybody: every tenant that has a log. `witness` is the name of its key. */
export async function* witnessCovers(
  read: Pick<Store, "list">,
  witness: string,
): AsyncGenerator<WitnessCover> {
  for (let after: string | undefined; ;) {
    const heads = await read.list(headTable, {
      index: "key",
      ...(after === undefined ? {} : { after }),
      limit: headsPerPage,
    });
    for (const head of heads) {
      const tenant = head.tenant as TenantId; // written by a sequencer under a tenant's id
      const [newest] = await read.list(cosignatureTable, {
        index: "witness",
        equals: { tenant, witness },
        order: "descending",
        limit: 1,
      });
      yield { tenant, size: head.size, at: wallMs(head.at), covered: newest?.size ?? 0 };
    }
    after = heads.at(-1)?.tenant;
    if (after === undefined) return;
  }
}

/**
 * The newest word of a witness about a tenant's log, true of the checkpoint that is there now; null = there is none. That the checkpoint
 * covers the entries, `verifyLedger` proves.
 */
export async function newestWord(
  read: Pick<Store, "list">,
  tenant: TenantId,
  key: VerifierKey,
): Promise<{ readonly size: number; readonly said: Cosignature } | null> {
  const [newest] = await read.list(cosignatureTable, {
    index: "witness",
    equals: { tenant, witness: key.name },
    order: "descending",
    limit: 1,
  });
  const note = newest === undefined ? null : await checkpointOver(read, tenant, newest.size);
  if (newest === undefined || note === null) return null;
  const said = cosignatureIn(withLines(note, [newest.line]), key);
  return said === null ? null : { size: newest.size, said };
}
