import { cleanLine } from "../clean.ts";

/** As the API and the policy room say it. */
export interface Problem {
  readonly severity: "error" | "warning";
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
  readonly policy: string | null;
  readonly message: string;
  readonly hint: string | null;
}

/** `file:line:column: severity: policy p: message (hint)`, as compilers print it. */
export function problemLine({ severity, file, line, column, policy, message, hint }: Problem): string {
  const place = [file, line, column].filter((part) => part !== null).join(":");
  return cleanLine(
    `${place === "" ? "" : `${place}: `}${severity}: ${policy === null ? "" : `policy ${policy}: `}${message}${hint === null ? "" : ` (${hint})`}`,
  );
}
