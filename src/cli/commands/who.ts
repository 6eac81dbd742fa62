import { api } from "../client.ts";
import type { Session } from "../session.ts";

/** Names for the ids that stand in entries: one request each, so no more than a page shows. */
const namesMax = 50;

const plurals: Readonly<Record<string, string>> = { agent: "agents", person: "people", service: "services" };

/**
 * How to call the principals of a list: `invoicer` instead of `agent/agt_…`. For people only; where a name cannot be had (no right
 * to ask, long gone) the id stays.
 */
export async function nameFinder(
  session: Session,
  chains: readonly (readonly string[])[],
): Promise<(chain: readonly string[]) => string> {
  const names = new Map<string, string>();
  if (!session.output.isJson) {
    const client = session.api();
    const ids = [...new Set(chains.flat())].slice(0, namesMax);
    await Promise.all(
      ids.map(async (id) => {
        const plural = plurals[id.slice(0, id.indexOf("/"))];
        if (plural === undefined) return;
        try {
          names.set(id, (await client.get<{ readonly name: string }>(`/${plural}${api`/${id}`}`)).name);
        } catch {
          // the id will do
        }
      }),
    );
  }
  return (chain) => chain.map((id) => names.get(id) ?? id).join(" for ");
}
