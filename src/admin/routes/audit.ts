import type { Result, WallMs } from "../../base/index.ts";
import { ok, refuse, wallMs } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { EntryId, ExportRange, LedgerEntry } from "../../ledger/index.ts";
import { entryKinds } from "../../ledger/index.ts";
import type { Change } from "../../store/index.ts";
import type { House } from "../house.ts";
import { pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";
import { listOf, object, objectWith, pageOf, receipt, text, textOrNull, whole } from "../../api/index.ts";
import { entry, entryView, payload, payloadView } from "./entry-view.ts";
import { scanEntries } from "./scan-entries.ts";

const range = {
  since: {
    type: "string",
    maxLength: 40,
    description: "RFC 3339: entries from then on, by whole bundles of 256",
  },
  until: { type: "string", maxLength: 40, description: "RFC 3339: the log as it was then, by whole batches" },
} as const;
const position = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;
const params = { entry: { type: "string", maxLength: 200, description: "id of a ledger entry" } } as const;

export const auditRoutes = [
  route({
    method: "GET",
    path: "/receipts/{entry}",
    summary: "The proof of an entry: a C2SP tlog-proof with its signed checkpoint",
    notes:
      "Made within a second of the entry; until then the answer is `receipt-pending`. With `witnessed`, under the first checkpoint that enough witnesses have co-signed (`ledger.witnessQuorum`), with what they say.",
    action: "admin.audit.receipt",
    kind: "read",
    params,
    query: { witnessed: { type: "boolean", description: "only with the word of witnesses" } },
    type: "text/plain",
    answer: text,
    handle: ({ actor, params, query }, house) =>
      house.ledger.receipt(actor.tenant, params.entry as EntryId, query.witnessed ?? false), // looked up
  }),
  route({
    method: "GET",
    path: "/audit/entries",
    summary: "List what the ledger recorded, newest first: calls, administrative acts, refusals",
    notes:
      "A page may hold fewer than `limit`, even none, while `next` says that there is more to look through.",
    action: "admin.audit.list",
    kind: "read",
    query: {
      ...pageQuery,
      kind: { enum: entryKinds, description: "only entries of this kind" },
      call: { type: "string", maxLength: 200, description: "only entries of this call" },
      run: { type: "string", maxLength: 200, description: "only entries of this run" },
    },
    answer: pageOf(entry),
    handle: async ({ actor, query }, house) => {
      const page = pageRequest("entries", query);
      if (!page.ok) return page;
      const { items, next } = await scanEntries(
        house,
        actor.tenant,
        page.value,
        "entries",
        ({ entry: { kind, call, run } }) =>
          (query.kind === undefined || kind === query.kind) &&
          (query.call === undefined || call === query.call) &&
          (query.run === undefined || run === query.run),
      );
      return ok({ items: items.map((found) => entryView(house, found)), next });
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
      return found.ok ? ok({ entry: entryView(house, found.value), leaf: found.value.leaf }) : found;
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
    path: "/audit/export",
    summary: "The tenant's log as an archive that verifies anywhere: leaves, hashes, checkpoints, the key",
    notes:
      "A tar of C2SP tlog-tiles, without payloads; a README in it says how to check it. `signalbox audit export --to` writes it, `signalbox audit verify --export` proves it. Two at a time.",
    action: "admin.audit.export",
    kind: "read",
    query: range,
    type: "application/octet-stream",
    answer: { description: "the archive" },
    handle: async ({ actor, query }, house) => {
      const asked = rangeOf(query.since, query.until);
      if (!asked.ok) return asked;
      const may = await house.ledger.mayExport(actor.tenant);
      return may.ok ? ok(house.ledger.export(actor.tenant, asked.value)) : may;
    },
  }),
  route({
    method: "POST",
    path: "/audit/export",
    summary: "The same archive with what is sealed: arguments, results and notes of every entry",
    notes:
      "Reads whatever anybody was given and answered, so it is an action of its own, and on record before the first byte.",
    action: "admin.audit.export-payloads",
    kind: "act",
    body: objectWith([], range),
    example: {},
    type: "application/octet-stream",
    answer: { description: "the archive" },
    handle: async ({ actor, act, body }, house) => {
      const asked = rangeOf(body.since, body.until);
      if (!asked.ok) return asked;
      const may = await house.ledger.mayExport(actor.tenant);
      if (!may.ok) return may;
      const change: Change<null> = { writes: [], value: null, applied: () => undefined };
      const performed = await house.acts.perform(act, null, change, { ...body });
      return performed.ok ? ok(house.ledger.export(actor.tenant, asked.value, true)) : performed;
    },
  }),
  route({
    method: "GET",
    path: "/audit/consistency",
    summary: "The proof that the log still begins with what it had: an RFC 6962 consistency proof",
    notes:
      "Between two numbers of entries, of two checkpoints of the tenant's log. Empty when they are equal.",
    action: "admin.audit.consistency",
    kind: "read",
    query: {
      old: { ...position, description: "entries under the older checkpoint" },
      new: { ...position, description: "entries under the newer one" },
    },
    answer: object({ proof: { ...listOf(text), description: "hashes in base64, in the order of RFC 6962" } }),
    handle: async ({ actor, query }, house) => {
      const { old, new: size } = query;
      if (old === undefined || size === undefined)
        return refuse({ code: "invalid-params", detail: "Both `old` and `new` are needed." });
      const proof = await house.ledger.consistency(actor.tenant, old, size);
      return proof.ok ? ok({ proof: proof.value }) : proof;
    },
  }),
  route({
    method: "GET",
    path: "/audit/witnesses",
    summary: "How far each witness has co-signed the tenant's log, as this node knows it",
    notes: "One node asks them for all: on another the list is empty.",
    action: "admin.audit.witnesses",
    kind: "read",
    answer: object({
      witnesses: listOf(
        object({
          witness: text,
          state: { enum: ["current", "down", "refusing", "contradicts"] },
          detail: textOrNull,
          behindSeconds: whole,
        }),
      ),
    }),
    handle: async ({ actor }, house) =>
      await Promise.resolve(
        ok({
          witnesses: house.ledger
            .witnesses()
            .filter(({ tenant }) => tenant === actor.tenant)
            .map(({ witness, state, detail, behindMs }) => ({
              witness,
              state,
              detail,
              behindSeconds: Math.round(behindMs / 1_000),
            })),
        }),
      ),
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

function rangeOf(since: string | undefined, until: string | undefined): Result<ExportRange> {
  const [from, to] = [since, until].map((text) => (text === undefined ? null : Date.parse(text)));
  if (Number.isNaN(from) || Number.isNaN(to))
    return refuse({ code: "invalid-params", detail: "`since` and `until` are instants of RFC 3339." });
  return ok({ since: instantOf(from), until: instantOf(to) });
}

const instantOf = (ms: number | null | undefined): WallMs | null =>
  ms === null || ms === undefined ? null : wallMs(ms);

async function entryNamed(house: House, actor: Principal, id: string): Promise<Result<LedgerEntry>> {
  const found = await house.ledger.entry(actor.tenant, id as EntryId); // looked up
  return found === null ? refuse({ code: "not-found", detail: "There is no such entry." }) : ok(found);
}
