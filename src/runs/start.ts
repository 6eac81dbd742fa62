import type { ChildFate, ReceiptReference } from "../../contract/index.ts";
import { callerName, inputStep } from "../../contract/index.ts";
import type { Result, StoreMs } from "../base/index.ts";
import { canonicalJson, elapsedMs, newId, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { CallId, RunRecord } from "../ledger/index.ts";
import { askToWake, claimFinal, newRun, readRun, runDeadline, stepPlace } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { Records } from "./house.ts";
import { outputBytesMax } from "./limits.ts";
import { noNewName } from "./open-run.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";
import { localDigest } from "./step-digest.ts";

export interface StartWishes {
  /** What drives it: an agent and its version. */
  readonly hook: string;
  /** null = one is made up. */
  readonly name: string | null;
  /** Any JSON. */
  readonly input: unknown;
  /** From now on; null = the longest that a run may last. */
  readonly deadlineMs: number | null;
  /** Left out = it may use any number of tokens. */
  readonly tokensMax?: number | null;
  /** The run that starts it, and from which step of it: the child takes no longer than its parent may. Left out = no run does. */
  readonly parent?: { readonly run: RunRecord; readonly step: string; readonly atEnd: ChildFate };
}

export interface Started {
  readonly run: RunRecord;
  readonly receipt: ReceiptReference;
  /** Fail when somebody made the owner a run of this name meanwhile. */
  readonly writes: readonly Write[];
}

/**
 * A new run of a hosted agent, due at once. Its input is a step like any other, recorded before the agent's first, so that every start of
 * the agent is given the same.
 */
export async function startRun(
  owner: Principal,
  wishes: StartWishes,
  house: Records,
): Promise<Result<Started>> {
  const { clock, random, store } = house;
  const input = canonicalJson(wishes.input);
  const bytes = Buffer.byteLength(input);
  if (bytes > outputBytesMax)
    return refuse({
      code: "body-too-large",
      detail: `the input has ${bytes} bytes; at most ${outputBytesMax} are kept`,
    });
  const name = wishes.name ?? `${owner.name}-${newId("run", clock.wall(), random).slice(-12)}`;
  if (!callerName.test(name))
    return refuse({ code: "invalid-params", detail: `"${name}" is no name for a run` });
  const before = await readRun(store, owner, name);
  if (before !== null)
    return refuse({
      code: "conflict",
      detail: `${owner.name} has a run "${name}" already, which is ${before.state}`,
      evidence: { run: before.run },
    });
  const held = noNewName(owner, name, house);
  if (held !== null) return refuse(held);
  const now = await store.now();
  const { parent } = wishes;
  const { run, write } = newRun(owner, name, house, {
    aliveUntil: null,
    deadline: earlier(runDeadline(now, wishes.deadlineMs), parent?.run.deadline ?? null),
    hook: wishes.hook,
    tokensMax: wishes.tokensMax ?? null,
    parent:
      parent === undefined
        ? null
        : {
            run: parent.run.run,
            step: parent.step,
            depth: (parent.run.parent?.depth ?? 0) + 1,
            atEnd: parent.atEnd,
          },
  });
  const salt = random.bytes(saltBytes);
  const digest = localDigest("value", nothing, salt);
  const entry = await prepareEntry(
    owner,
    run,
    {
      kind: "step",
      method: "steps/value",
      step: inputStep,
      stepDigest: digest,
      salt,
      input: nothing,
      output: input,
      note: { hook: wishes.hook },
    },
    house,
  );
  const call = entry.id.slice(0, -":0".length) as CallId; // as `writeStep` has it
  const claim = { tenant: run.tenant, place: stepPlace(run.run, inputStep), call, stepDigest: digest };
  return ok({
    run,
    receipt: entry.receipt,
    writes: [write, askToWake(run, now), claimFinal(claim, entry.id), entry.write],
  });
}

/** `other` null = never. */
const earlier = (one: StoreMs, other: StoreMs | null): StoreMs =>
  other === null || elapsedMs(one, other) < 0 ? one : other;

/** The input is made from nothing of the agent's. */
const nothing = "null";
