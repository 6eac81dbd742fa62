/**
 * What is wrong with policy text, for the person who wrote it.
 *  error    the set is refused
 *  warning  the set is used; probably not what was meant
 */
export interface PolicyProblem {
  readonly severity: "error" | "warning";
  /** null = not about one file, e.g. too many policies in all. */
  readonly file: string | null;
  /** From 1; null with `file`. A problem inside a policy that has no finer place points at the policy's first line. */
  readonly line: number | null;
  readonly column: number | null;
  readonly policy: string | null;
  /** The tool whose pinned schema the policy does not fit; null = independent of any tool. */
  readonly tool: string | null;
  readonly message: string;
  readonly hint: string | null;
}

/** `path:line:column: message (hint)`, as compilers print it. */
export function problemText(problem: PolicyProblem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== null).join(":");
  const policy = problem.policy === null ? "" : `policy ${problem.policy}: `;
  const hint = problem.hint === null ? "" : ` (${problem.hint})`;
  return `${place === "" ? "" : `${place}: `}${problem.severity}: ${policy}${problem.message}${hint}`;
}
