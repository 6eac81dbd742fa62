import { msOf } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { EntryId, LedgerEntry } from "../ledger/index.ts";
import type { MemoryStore } from "../store/index.ts";
import type { Seen } from "./simulation.fixture.ts";
import type { SimulatedNode } from "./simulation-node.fixture.ts";
import { askRules } from "./simulation-policies.fixture.ts";
import type { AskedAs } from "./simulation-policies.fixture.ts";
import { isRepeatable, voters } from "./simulation-wishes.fixture.ts";

interface Story {
  readonly tenant: TenantId;
  readonly entries: readonly LedgerEntry[];
  readonly byId: ReadonlyMap<EntryId, LedgerEntry>;
  readonly seen: Seen;
  readonly store: MemoryStore;
  readonly node: SimulatedNode;
  readonly say: (problem: string) => void;
}

/** As much of a row of `approval` as is looked at. */
interface Asked {
  readonly id: string;
  readonly tenant: string;
  readonly call: string;
  readonly state: string;
  readonly requestEntry: string;
  readonly rules: string;
  readonly requestedAt: number;
  readonly expiresAt: number;
}

/** What people were asked, what they said, and what then ran, told from the ledger alone: request, votes, intent, in this order. */
export async function checkApprovals(story: Story): Promise<void> {
  const { tenant, entries, byId, store, say } = story;
  const rows = store.database.keyedTable("approval").list({ index: "key", limit: 10_000 });
  const own = (rows as unknown as Asked[]).filter((row) => row.tenant === tenant);
  const isNewest = new Map(own.map((row) => [row.call, row.id]));
  for (const row of own) {
    const all = entries.filter(
      ({ entry }) => entry.kind === "intent" && entry.versions["approval"] === row.id,
    );
    // What is not known may be sent again under its key, and under the same yes: it is still one call to its server.
    const again = all.filter(
      ({ entry }) => byId.get(entry.after as EntryId)?.entry.outcome?.kind === "unknown",
    );
    const intents = all.filter((intent) => !again.includes(intent));
    for (const { entry } of again)
      if (entry.intentDigest !== intents[0]?.entry.intentDigest || !isRepeatable(entry))
        say(`${entry.id} was sent again under ${row.id}, which is about something else`);
    if (intents.length !== (row.state === "used" ? 1 : 0))
      say(`the ${row.state} approval ${row.id} has let ${intents.length} intents through`);
    for (const intent of intents) checkGranted(row, intent, story);
    if (isNewest.get(row.call) === row.id) checkEnd(row, story);
  }
  await checkUnasked(story);
}

/** Enough people of each group had said yes, none no, and it was in time. */
function checkGranted(row: Asked, intent: LedgerEntry, { tenant, entries, byId, seen, say }: Story): void {
  const id = row.id;
  const asked = byId.get(row.requestEntry as EntryId);
  if (asked === undefined || asked.cursor >= intent.cursor)
    return say(`${id}: nobody was asked before its intent`);
  if (asked.entry.intentDigest !== intent.entry.intentDigest) say(`${id}: another intent was asked about`);
  if (intent.entry.after !== asked.entry.id) say(`${id}: its intent follows ${intent.entry.after}`);
  if (seen.isStoreTimeTrue && msOf(intent.entry.at) >= row.expiresAt)
    say(`${id}: used ${msOf(intent.entry.at) - row.expiresAt} ms after its time`);
  const acts = entries.filter(({ entry, cursor }) => entry.subject === id && cursor < intent.cursor);
  if (acts.some(({ entry, cursor }) => entry.method === "admin.approval.deny" || cursor <= asked.cursor))
    say(`${id}: used against a no`);
  const yes = acts
    .filter(({ entry }) => entry.intentDigest === intent.entry.intentDigest)
    .map(({ entry }) => entry);
  for (const { group, quorum, escalation } of askRules[askedAs(row)]) {
    const counting = yes.filter(({ at, principals: [person] }) => {
      const roles = voters(tenant).find((each) => each.id === person)?.roles ?? [];
      const groups = [
        group,
        ...escalation
          .filter(({ afterMs }) => !seen.isStoreTimeTrue || msOf(at) - row.requestedAt >= afterMs)
          .map((step) => step.group),
      ];
      return (
        groups.some((each) => roles.includes(each)) &&
        person !== undefined &&
        !intent.entry.principals.includes(person)
      );
    });
    if (new Set(counting.map(({ principals }) => principals[0])).size < quorum)
      say(`${id}: ${counting.length} of ${group} have said yes, not ${quorum}`);
  }
}

const askedAs = (row: Asked): AskedAs =>
  (JSON.parse(row.rules) as { policyId: string }[])[0]?.policyId.split("-")[0] as AskedAs;

/** Whatever people said or did not say: the call that waited has ended, and as they said. */
function checkEnd(row: Asked, { byId, say }: Story): void {
  const { id, call, state } = row;
  const end = byId.get(`${call}:1` as EntryId)?.entry.outcome ?? null;
  const intent = byId.get(`${call}:0` as EntryId)?.entry ?? null;
  const code = end !== null && "code" in end ? end.code : null;
  if (end === null) say(`call ${call}, whose approval ${id} is ${state}, has not ended`);
  else if (state === "pending" || state === "approved") say(`approval ${id} is ${state} after its time`);
  else if (state === "denied" || state === "expired") {
    if (intent !== null || code !== `approval-${state}`)
      say(`${id} is ${state}, and call ${call} ended as ${code}`);
  } else if (intent === null) say(`${id} is ${state}, and call ${call} has no intent`);
}

/** An intent without an approval: policy did not ask about it at that time. */
async function checkUnasked({ entries, seen, node, say }: Story): Promise<void> {
  for (const found of entries) {
    const { entry } = found;
    if (entry.kind !== "intent" || entry.versions["approval"] !== undefined) continue;
    if (entry.decision?.effect === "approve") say(`${entry.id} needed an approval and names none`);
    const opened = await node.ledger.payload(found);
    if (opened === null || opened.erased) continue;
    const { label } = JSON.parse(opened.payload.arguments ?? "{}") as { label?: string };
    const wish = seen.wishes.get(label ?? "");
    if (wish !== undefined && wish.askedAs !== null && !seen.everTrusted)
      say(`${label} went on without being asked about`);
  }
}
