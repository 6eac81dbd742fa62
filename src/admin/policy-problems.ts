import type { Result } from "../base/index.ts";
import { refuse } from "../base/index.ts";
import type { PolicyProblem } from "../policy/index.ts";
import { problemText } from "../policy/index.ts";
import type { Failure } from "../api/index.ts";

/** As sentences: what a person reads at once. All of them are in `problems`. */
const sentencesMax = 20;
/** A set with more problems has one cause. */
const problemsMax = 1_000;

/** Policies that do not compile, with all that is wrong in them. */
export function refusePolicies(problems: readonly PolicyProblem[]): Result<never> {
  const errors = problems.filter(({ severity }) => severity === "error");
  const shown = errors.slice(0, sentencesMax).map(problemText);
  const rest = errors.length - shown.length;
  const failure: Failure = {
    code: "config-invalid",
    detail: [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].join("\n"),
    problems: problems.slice(0, problemsMax),
  };
  return refuse(failure);
}
