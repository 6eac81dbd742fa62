import type { Shape } from "../../api/index.ts";
import { instantOrNull, named, object, text, textOrNull } from "../../api/index.ts";
import type { Claim, EntryId } from "../../ledger/index.ts";
import type { House } from "../house.ts";
import { isoOrNull } from "../instant.ts";
import { outcome, outcomeView } from "./entry-view.ts";
import { subjectName } from "./subject-name.ts";

export const runStep = named(
  "RunStep",
  object({
    step: text,
    call: { type: "string", description: "id of the call, or of the local step" },
    method: {
      type: ["string", "null"],
      description:
        "`tools/call` and so on, `steps/<kind>` for what the agent did itself; null = nothing is recorded yet",
    },
    tool: { type: ["string", "null"], description: "what a call was to, as agents call it now, or its id" },
    state: {
      enum: ["open", "final", "released"],
      description:
        "open: under way; final: what recall gives back; released: ended without effect, may be entered again",
    },
    outcome: {
      oneOf: [outcome, { type: "null" }],
      description: "of a call; null = it has none, or is a local step",
    },
    at: { ...instantOrNull, description: "of its first entry" },
    entry: { ...textOrNull, description: "with its proof and payload; null = nothing is recorded yet" },
  }),
);

/** A step is what its claim says, and what stands in the entries that the claim leads to. */
export async function stepView(house: House, claim: Claim): Promise<Shape<typeof runStep>> {
  const { tenant, call, place, state, outcomeEntry } = claim;
  const first = await house.ledger.entry(tenant, `${call}:0` as EntryId);
  const isSame = outcomeEntry === null || outcomeEntry === first?.entry.id;
  const last = isSame ? first : await house.ledger.entry(tenant, outcomeEntry);
  const subject = first?.entry.subject ?? null;
  return {
    step: place.name,
    call,
    method: first?.entry.method ?? null,
    tool: subject === null ? null : (subjectName(house, tenant, subject) ?? subject),
    state,
    outcome: last === null || last.entry.outcome === null ? null : outcomeView(last.entry.outcome),
    at: isoOrNull(first?.entry.at ?? null),
    entry: last?.entry.id ?? null,
  };
}
