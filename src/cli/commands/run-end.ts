import type { Client } from "../client.ts";
import { api } from "../client.ts";
import type { Field } from "../show.ts";
import type { Run } from "./run-shape.ts";

/** What is sealed in the entry of a run's end, or of its death. */
interface EndPayload {
  readonly erased: boolean;
  readonly result?: string;
  /** `last`: what the agent of a dead run said when it came to nothing. */
  readonly note?: { readonly reason?: string; readonly last?: string };
}

/** null = it is open. */
export async function endOf(
  client: Client,
  { run, endEntry }: Pick<Run, "run" | "endEntry">,
): Promise<EndPayload | null> {
  if (endEntry === null) return null;
  const path = api`/runs/${run}/entries/${endEntry}/payload`;
  return (await client.get<{ readonly payload: EndPayload | null }>(path)).payload;
}

export const endFields = (end: EndPayload | null): readonly Field[] =>
  end === null
    ? []
    : [
        ["result", end.erased ? "erased" : (end.result ?? null)],
        ["reason", end.note?.reason ?? null],
      ];
