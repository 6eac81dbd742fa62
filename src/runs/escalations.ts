import { escalations } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { changeRun } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import { tokensMaxMax } from "./limits.ts";

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
  if (chosen !== "raise") return ok([]);
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
