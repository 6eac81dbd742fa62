import { escalations } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { changeRun } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { House } from "./house.ts";
import { tokensMaxMax } from "./limits.ts";
import { signalWrites } from "./signals.ts";

/**
 * What a signal does beside being kept when the run waits by this name for a decision: a larger budget is one by the act of who sends it,
 * in the same transaction. What the run could not go on with is refused while its sender can still say something else.
 */
export function decisionWrites(
  actor: Principal,
  run: RunRecord,
  signal: string,
  payload: unknown,
): Result<readonly Write[]> {
  const about = run.waitsFor.find((wait) => wait.kind === "signal" && wait.signal === signal);
  const escalation = about?.kind === "signal" ? about.escalation : undefined;
  if (escalation === undefined) return ok([]);
  const answers: readonly string[] = escalations[escalation.about];
  const { do: chosen, tokensMax } = (payload ?? {}) as {
    readonly do?: unknown;
    readonly tokensMax?: unknown;
  }; // any JSON: members are looked at
  if (typeof chosen !== "string" || !answers.includes(chosen))
    return refuse({
      code: "invalid-params",
      detail: `the run waits for a decision; the payload says one of ${answers.map((each) => `{"do": "${each}"}`).join(", ")}`,
    });
  return chosen === "raise" ? budgetWrites(actor, run, tokensMax) : ok([]);
}

/** The writes of a larger budget of tokens, by a person. They fail when the run is changed at the same moment. */
function budgetWrites(actor: Principal, run: RunRecord, tokensMax: unknown): Result<readonly Write[]> {
  if (actor.kind !== "person")
    return refuse({ code: "forbidden", detail: "only a person raises a run's budget of tokens" });
  if (
    !Number.isSafeInteger(tokensMax) ||
    Number(tokensMax) <= run.tokensUsed ||
    Number(tokensMax) > tokensMaxMax
  )
    return refuse({
      code: "invalid-params",
      detail: `"tokensMax" is a whole number above the ${run.tokensUsed} that are used, ${tokensMaxMax} at most`,
    });
  return ok([changeRun(run, { tokensMax: Number(tokensMax) })]);
}

/** As `decisionWrites`, for a person who was not asked yet. A run that asks already is told, and goes on. */
export async function raiseWrites(
  actor: Principal,
  run: RunRecord,
  tokensMax: number,
  house: Pick<House, "store" | "keys" | "clock" | "random">,
): Promise<Result<readonly Write[]>> {
  if (run.state !== "open") return refuse({ code: "run-ended", detail: `the run is ${run.state}` });
  const budget = budgetWrites(actor, run, tokensMax);
  if (!budget.ok) return budget;
  const told: Write[] = [];
  for (const wait of run.waitsFor) {
    if (wait.kind !== "signal" || wait.escalation?.about !== "tokens") continue;
    const signal = await signalWrites(run, wait.signal, { do: "raise", tokensMax }, house);
    if (signal.ok) told.push(...signal.value); // else somebody has decided already, which it hears first
  }
  return ok([...budget.value, ...told]);
}
