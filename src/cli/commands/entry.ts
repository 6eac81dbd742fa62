/** As the API shows an outcome. */
export interface Outcome {
  readonly kind: "succeeded" | "failed" | "unknown" | "refused";
  readonly isError?: boolean;
  readonly withheld?: string;
  readonly code?: string;
}

/** As the API shows an entry. */
export interface Entry {
  readonly id: string;
  readonly kind: string;
  readonly at: string;
  readonly call: string | null;
  readonly run: string | null;
  readonly step: string | null;
  readonly principals: readonly string[];
  readonly method: string;
  readonly subject: string | null;
  /** Of the subject today; null = it has none beside its id. */
  readonly name: string | null;
  readonly versions: Readonly<Record<string, string>>;
  readonly decision: { readonly effect: string; readonly policies: readonly string[] } | null;
  readonly outcome: Outcome | null;
  readonly commitments: Readonly<Record<string, string>>;
  readonly after: string | null;
  readonly leafHash: string;
  readonly hasPayload: boolean;
}

export function outcomeText({ kind, isError, withheld, code }: Outcome): string {
  if (kind !== "succeeded") return `${kind}: ${code ?? ""}`;
  if (withheld !== undefined) return `succeeded, its answer withheld: ${withheld}`;
  return isError === true ? "succeeded, the tool says error" : kind;
}
