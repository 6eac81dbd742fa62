import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { EntryId, LedgerEntry } from "../../ledger/index.ts";
import { entryKinds } from "../../ledger/index.ts";
import type { Change } from "../../store/index.ts";
import type { House } from "../house.ts";
import { pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";
import { object, pageOf, receipt, text } from "../../api/index.ts";
import { entry, entryView, payload, payloadView } from "./entry-view.ts";
import { scanEntries } from "./scan-entries.ts";

const params = { entry: { type: "string", maxLength: 200, description: "id of a ledger entry" } } as const;

export const auditRoutes = [
  route({
    method: "GET",
    path: "/receipts/{entry}",
    summary: "The proof of an entry: a C2SP tlog-proof with its signed checkpoint",
    notes: "Made within a second of the entry; until then the answer is `receipt-pending`.",
    action: "admin.audit.receipt",
    kind: "read",
    params,
    type: "text/plain",
    answer: text,
    handle: ({ actor, params }, house) => house.ledger.receipt(actor.tenant, params.entry as EntryId), // looked up
  }),
  route({
    method: "GET",
    path: "/audit/entries",
    summary: "List what the ledger recorded, newest first: calls, administrative acts, refusals",
    notes:
      "A page may hold fewer than `limit`, even none, while `next` says that there is more to look through.",
    action: "admin.audit.list",
    kind: "read",
    query: { ...pageQuery, kind: { enum: entryKinds, description: "only entries of this kind" } },
    answer: pageOf(entry),
    handle: async ({ actor, query }, house) => {
      const page = pageRequest("entries", query);
      if (!page.ok) return page;
      const { items, next } = await scanEntries(
        house,
        actor.tenant,
        page.value,
        "entries",
        (found) => query.kind === undefined || found.entry.kind === query.kind,
      );
      return ok({ items: items.map(entryView), next });
    },
  }),
  route({
    method: "GET",
    path: "/audit/entries/{entry}",
    summary: "Show an entry with its leaf, as the tree holds it",
    action: "admin.audit.show",
    kind: "read",
    params,
    answer: object({
      entry,
      leaf: { type: "string", description: "RFC 8785 text; its hash is what a receipt proves" },
    }),
    handle: async ({ actor, params }, house) => {
      const found = await entryNamed(house, actor, params.entry);
      return found.ok ? ok({ entry: entryView(found.value), leaf: found.value.leaf }) : found;
    },
  }),
  route({
    method: "GET",
    path: "/audit/entries/{entry}/payload",
    summary: "Show what an administrative act changed, or why it was refused",
    notes:
      "Opens what is sealed, so that it was looked at is recorded. Payloads of calls and runs are read with the call or run.",
    action: "admin.audit.read-payload",
    kind: "act",
    params,
    answer: object({
      payload: { oneOf: [payload, { type: "null" }], description: "null = there is none" },
      receipt,
    }),
    handle: async ({ actor, act, params }, house) => {
      const found = await entryNamed(house, actor, params.entry);
      if (!found.ok) return found;
      // Other actions guard what calls were given and answered, and what agents did themselves.
      const { call, run } = found.value.entry;
      if (call !== null) return refuse({ code: "conflict", detail: `Read it with the call ${call}.` });
      if (run !== null) return refuse({ code: "conflict", detail: `Read it with the run ${run}.` });
      const change: Change<null> = { writes: [], value: null, applied: () => undefined };
      const performed = await house.acts.perform(act, found.value.entry.id, change, {});
      if (!performed.ok) return performed;
      return ok({ payload: await payloadView(house, found.value), receipt: performed.value.receipt });
    },
  }),
  route({
    method: "GET",
    path: "/audit/checkpoint",
    summary: "The newest signed checkpoint of the tenant's log, for keeping outside",
    action: "admin.audit.checkpoint",
    kind: "read",
    type: "text/plain",
    answer: text,
    handle: async ({ actor }, house) => {
      const checkpoint = await house.ledger.checkpoint(actor.tenant);
      if (checkpoint !== null) return ok(checkpoint);
      return refuse({ code: "receipt-pending", detail: "Nothing has been sequenced yet." });
    },
  }),
  route({
    method: "GET",
    path: "/audit/key",
    summary: "The public key of the tenant's log, as verifiers take it",
    action: "admin.audit.key",
    kind: "read",
    type: "text/plain",
    answer: text,
    handle: async ({ actor }, house) => ok(house.ledger.verifierKey(actor.tenant)),
  }),
];

async function entryNamed(house: House, actor: Principal, id: string): Promise<Result<LedgerEntry>> {
  const found = await house.ledger.entry(actor.tenant, id as EntryId); // looked up
  return found === null ? refuse({ code: "not-found", detail: "There is no such entry." }) : ok(found);
}
