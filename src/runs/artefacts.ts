import type { ReceiptReference } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { commitment, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { changeRun } from "../ledger/index.ts";
import { insert } from "../store/index.ts";
import type { House } from "./house.ts";
import { artefactBytesMax, artefactBytesOfRunMax, artefactsMax, racesMax } from "./limits.ts";
import type { Speaker } from "./open-run.ts";
import { openRun, ownRun } from "./open-run.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";
import { artefactContentTable, artefactTable } from "./tables.ts";

export interface Artefact {
  /** Names these bytes in this run: the same bytes have the same one, and nobody without the run's key can tell of what. */
  readonly digest: string;
  readonly bytes: number;
}

export interface SavedArtefact extends Artefact {
  /** null = the run had them already, so nothing was written. */
  readonly receipt: ReceiptReference | null;
}

/**
 * Keeps bytes that steps, memory and results then refer to by their digest: a page, a picture, a table. They never change, and are kept
 * as long as their run. The bound on all of a run is read before it is proven, so two at the same moment can exceed it by one.
 */
export async function saveArtefact(
  owner: Principal,
  speaker: Speaker,
  data: Uint8Array,
  house: House,
): Promise<Result<SavedArtefact>> {
  const bytes = data.byteLength;
  if (bytes > artefactBytesMax)
    return refuse({
      code: "body-too-large",
      detail: `it has ${bytes} bytes; ${artefactBytesMax} are taken at once`,
    });
  for (let races = 0; races < racesMax; races++) {
    const run = await openRun(owner, speaker, house);
    if (!run.ok) return run;
    const digest = await digestOf(run.value, data, house);
    const all = await house.store.list(artefactTable, {
      index: "key",
      equals: { run: run.value.run },
      limit: artefactsMax,
    });
    if (all.some((each) => each.digest === digest)) return ok({ digest, bytes, receipt: null });
    const total = all.reduce((sum, each) => sum + each.bytes, bytes);
    if (all.length >= artefactsMax || total > artefactBytesOfRunMax)
      return refuse({
        code: "body-too-large",
        detail: `the run would keep ${all.length + 1} artefacts of ${total} bytes; at most ${artefactsMax} of ${artefactBytesOfRunMax} are kept`,
      });
    const receipt = await written(owner, run.value, { digest, bytes }, data, house);
    if (receipt !== null) return ok({ digest, bytes, receipt });
  }
  return refuse({ code: "conflict", detail: "others keep changing the run at the same moment" });
}

/** Also of a run that has ended. null = the run has no such artefact. */
export async function readArtefact(
  owner: Principal,
  name: string,
  digest: string,
  house: House,
): Promise<Result<(Artefact & { readonly data: Uint8Array }) | null>> {
  const run = await ownRun(owner, name, house);
  if (!run.ok) return run;
  const kept = await house.store.get(artefactContentTable, { run: run.value.run, digest });
  if (kept === null) return ok(null);
  const key = await house.keys.existingScopeKey(keyScope(run.value));
  if (key === null || !house.keys.isSealedBy(key, kept.sealed))
    return refuse({ code: "erased", detail: "the artefact was erased" });
  const data = house.keys.open(key, kept.sealed, boundTo(run.value, digest));
  return ok({ digest, bytes: data.byteLength, data });
}

/** null = the run was changed meanwhile, or somebody kept the same bytes. */
async function written(
  owner: Principal,
  run: RunRecord,
  artefact: Artefact,
  data: Uint8Array,
  house: House,
): Promise<ReceiptReference | null> {
  const { store, keys, random, ledger } = house;
  const salt = random.bytes(saltBytes);
  const nothing = { step: null, stepDigest: null, input: null, output: null } as const;
  const content = commitment(salt, data);
  const draft = {
    kind: "run",
    method: "runs/artefact",
    salt,
    ...nothing,
    content,
    note: { ...artefact },
  } as const;
  const entry = await prepareEntry(owner, run, draft, house);
  const key = await keys.scopeKey(keyScope(run));
  const sealed = keys.seal(key, data, boundTo(run, artefact.digest));
  const { verdict } = await store.commit([
    changeRun(run, {}),
    insert(artefactTable, { run: run.run, ...artefact }),
    insert(artefactContentTable, { run: run.run, digest: artefact.digest, sealed }),
    entry.write,
  ]);
  if (verdict !== "done") return null;
  ledger.noted(run.tenant);
  return entry.receipt;
}

async function digestOf(run: RunRecord, data: Uint8Array, { keys }: House): Promise<string> {
  const prefixed = Buffer.concat([Buffer.from("artefact "), data]);
  return keys.hmac(await keys.scopeKey(keyScope(run)), prefixed).toString("hex");
}

const keyScope = (run: RunRecord): string => `run/${run.tenant}/${run.run}`;

/** Sealed bytes moved to another place do not open. */
const boundTo = (run: RunRecord, digest: string): string => `artefact ${run.run} ${digest}`;
