import type { Client } from "../client.ts";
import { Stop, usage } from "../exit.ts";
import type { Run } from "./run-shape.ts";

/** Looked through for a name; whoever has more runs than these knows the id. */
const runsLookedThrough = 5_000;

/** The id of a run that is given by its id, or by its name where no other of the newest runs has it: names are each agent's own. */
export async function runId(client: Client, given: string): Promise<string> {
  if (/^run_[0-9a-z]{26}$/.test(given)) return given;
  const { items } = await client.list<Run>("/runs", runsLookedThrough);
  const named = items.filter(({ name }) => name === given);
  const [only] = named;
  if (named.length === 1 && only !== undefined) return only.run;
  if (named.length === 0)
    throw new Stop("not-found", `There is no run "${given}" among the newest ${runsLookedThrough}.`, {
      hint: "signalbox runs ls",
    });
  throw usage(
    `${named.length} agents have a run "${given}": ${named.map(({ run }) => run).join(", ")}.`,
    "Use the id.",
  );
}
