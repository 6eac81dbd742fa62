/** As the API says what settled an unknown outcome, what will, and what is being tried. */
export type Way = "person" | "verify-tool" | "sent-again";

export interface Resolved {
  readonly by: Way;
  readonly entry: string;
  /** Of the verify tool, or that was sent again; null = it was a person. */
  readonly call: string | null;
}

export interface Trying {
  readonly tries: number;
  readonly last: string | null;
  readonly nextInMs: number | null;
}

export function resolvedText({ by, call }: Resolved): string {
  switch (by) {
    case "person":
      return "by a person";
    case "verify-tool":
      return `by its verify tool, see ${call ?? ""}`;
    case "sent-again":
      return `by its key: sent again as ${call ?? ""}`;
  }
}

/** Empty when its outcome is not unknown. */
export function wayText({
  way,
  trying,
}: {
  readonly way: Way | null;
  readonly trying: Trying | null;
}): string {
  switch (way) {
    case null:
      return "";
    case "person":
      return "a person";
    case "sent-again":
      return "its key, when its caller comes back";
    case "verify-tool":
      return `its verify tool, ${triesText(trying)}`;
  }
}

function triesText(trying: Trying | null): string {
  if (trying === null) return "about to be asked";
  const { tries, nextInMs } = trying;
  const so = `${tries} ${tries === 1 ? "try" : "tries"} so far`;
  if (nextInMs === null) return `${so}, the next when its caller comes back`;
  return `${so}, the next in ${Math.ceil(nextInMs / 1000)} s`;
}
