import type { Result } from "../base/index.ts";
import { canonicalJson, newId, ok, refuse } from "../base/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { askToWake } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import { insert, remove } from "../store/index.ts";
import type { House } from "./house.ts";
import { signalBytesMax, signalsWaitingMax } from "./limits.ts";
import { inReview } from "./open-run.ts";
import { signalTable } from "./tables.ts";

/**
 * The writes of a signal to an open run, for whoever may send one. It is kept until a step takes it; until then a second one of its name
 * is refused, and so is any when too many wait.
 */
export async function signalWrites(
  run: RunRecord,
  name: string,
  payload: unknown,
  house: Pick<House, "store" | "keys" | "clock" | "random">,
): Promise<Result<readonly Write[]>> {
  const { store, keys, clock, random } = house;
  if (run.state === "review") return refuse(inReview(run.name));
  if (run.state !== "open") return refuse({ code: "run-ended", detail: `the run is ${run.state}` });
  const text = canonicalJson(payload);
  const bytes = Buffer.byteLength(text);
  if (bytes > signalBytesMax)
    return refuse({
      code: "body-too-large",
      detail: `it has ${bytes} bytes; a signal carries ${signalBytesMax}`,
    });
  const waiting = await store.list(signalTable, {
    index: "key",
    equals: { run: run.run },
    limit: signalsWaitingMax,
  });
  if (waiting.some((row) => row.name === name))
    return refuse({ code: "conflict", detail: `a signal "${name}" waits already; the first one counts` });
  if (waiting.length === signalsWaitingMax)
    return refuse({ code: "conflict", detail: `${signalsWaitingMax} signals wait already` });
  const id = newId("sig", clock.wall(), random);
  const key = await keys.scopeKey(`run/${run.tenant}/${run.run}`);
  const sealed = keys.seal(key, text, boundTo(run, name, id));
  return ok([
    askToWake(run, await store.now()),
    insert(signalTable, { run: run.run, name, id, payload: sealed }),
  ]);
}

export interface WaitingSignal {
  readonly payload: unknown;
  /** Takes it; fails when somebody else did. */
  readonly taking: Write;
}

/** null = nobody has sent one, or it was taken. Rejects with `erased` when the run's key was destroyed. */
export async function waitingSignal(
  run: RunRecord,
  name: string,
  { store, keys }: Pick<House, "store" | "keys">,
): Promise<WaitingSignal | null> {
  const row = await store.get(signalTable, { run: run.run, name });
  if (row === null) return null;
  const key = await keys.scopeKey(`run/${run.tenant}/${run.run}`);
  const text = Buffer.from(keys.open(key, row.payload, boundTo(run, name, row.id))).toString("utf8");
  return {
    payload: JSON.parse(text) as unknown,
    taking: remove(signalTable, { run: run.run, name }, { id: row.id }),
  };
}

/** Sealed bytes moved to another run, name or signal do not open. */
const boundTo = (run: RunRecord, name: string, id: string): string => `signal ${run.run} ${name} ${id}`;
