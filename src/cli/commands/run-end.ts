import type { Client } from "../client.ts";
import { api } from "../client.ts";
import type { Field } from "../show.ts";
import type { Entry } from "./entry.ts";
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

/** An error stands among the newest entries of its kind; further back nobody is waiting for it. */
const entriesMax = 200;

/** What the agent of an open run said when it was last lost; null = it was not, or not lately. */
export async function lastErrorOf(
  client: Client,
  { run, state, losses }: Pick<Run, "run" | "state" | "losses">,
): Promise<string | null> {
  if (state !== "open" || losses === 0) return null;
  const { items } = await client.list<Entry>("/audit/entries", entriesMax, { kind: "run" });
  const lost = items.find((entry) => entry.run === run && entry.method === "runs/lost");
  if (lost === undefined) return null;
  const path = api`/runs/${run}/entries/${lost.id}/payload`;
  const { payload } = await client.get<{ readonly payload: EndPayload | null }>(path);
  return payload?.note?.reason ?? null;
}

export const endFields = (end: EndPayload | null): readonly Field[] =>
  end === null
    ? []
    : [
        ["result", end.erased ? "erased" : (end.result ?? null)],
        ["reason", end.note?.reason ?? null],
      ];
