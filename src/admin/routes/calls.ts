import type { Result, StoreMs } from "../../base/index.ts";
import { elapsedMs, ok, plusMs, refuse } from "../../base/index.ts";
import type { Resolver, Trying } from "../../calls/index.ts";
import { resolutions, resolveUnknown, resolvedBy, resolvers } from "../../calls/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { CallId, LedgerEntry, OpenCall, OpenCallState } from "../../ledger/index.ts";
import { listOpenCalls, readOpenCall } from "../../ledger/index.ts";
import type { Change } from "../../store/index.ts";
import type { House } from "../house.ts";
import { iso } from "../instant.ts";
import { cursorFor, pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";
import type { Shape } from "../../api/index.ts";
import { instant, listOf, object, pageOf, receipt, text, textOrNull, named } from "../../api/index.ts";
import { entry, entryView, outcome, outcomeView, payload, payloadView } from "./entry-view.ts";
import { scanEntries } from "./scan-entries.ts";
import { subjectName } from "./subject-name.ts";
import { toolNamed } from "./tools.ts";

const outcomes = ["succeeded", "failed", "unknown", "refused"] as const;

const resolved = named(
  "Resolved",
  object({
    by: {
      enum: resolvers,
      description:
        "`person`: somebody looked. `verify-tool`: the tool that its class names was asked. `sent-again`: its class says that repeating it is harmless",
    },
    entry: { type: "string", description: "the entry that settled it" },
    call: {
      type: ["string", "null"],
      description: "the call that asked the verify tool, or that was sent again and stands for this one",
    },
  }),
);

const trying = named(
  "Trying",
  object({
    tries: { type: "integer", description: "how often its verify tool was asked, or could not be" },
    last: { type: ["string", "null"], description: "why it is still unknown" },
    nextInMs: {
      type: ["integer", "null"],
      description:
        "until the node asks again by itself; null = it does not any more, and asks when a caller comes back",
    },
  }),
);

const ended = named(
  "EndedCall",
  object({
    call: text,
    entry: text,
    at: instant,
    method: text,
    tool: {
      type: ["string", "null"],
      description: "id of the tool; null = none was found by the name that was given",
    },
    name: {
      type: ["string", "null"],
      description: "of the tool (or whatever it was) today; null = it is gone",
    },
    principals: { ...listOf(text), description: "the actor first, then on whose behalf" },
    run: textOrNull,
    step: textOrNull,
    outcome,
    policies: { ...listOf(text), description: "ids of the policies that decided" },
    resolved: { oneOf: [resolved, { type: "null" }], description: "for an unknown outcome: what settled it" },
  }),
);

const open = named(
  "OpenCall",
  object({
    call: text,
    principal: text,
    tool: text,
    name: textOrNull,
    class: { enum: ["read", "idempotent", "verifiable", "effect"] },
    state: { enum: ["pending", "waiting", "dispatched", "unknown"] },
    node: text,
    intent: text,
    dispatchEndsInMs: {
      type: "integer",
      description: "until no byte may leave any more; negative = has passed",
    },
    retryPossibleInMs: { type: "integer", description: "until it may be resolved as `retry`; 0 = now" },
    way: {
      enum: ["person", "verify-tool", "sent-again", null],
      description:
        "what settles it while it is unknown; `sent-again`: when its caller comes back. A person can in any case. null = it is not unknown",
    },
    trying: { oneOf: [trying, { type: "null" }], description: "null = this node has not asked yet" },
  }),
);

const params = {
  call: { type: "string", pattern: "^call_[0-9a-z]{26}$", description: "id of a call" },
} as const;

export const callRoutes = [
  route({
    method: "GET",
    path: "/calls",
    summary: "List the calls that have ended, newest first",
    notes:
      "A page may hold fewer than `limit`, even none, while `next` says that there is more to look through.",
    action: "admin.call.list",
    kind: "read",
    query: {
      ...pageQuery,
      outcome: { enum: outcomes, description: "only those that ended so" },
      agent: { type: "string", description: "only those by this agent, person or service; name or id" },
      tool: { type: "string", description: "only those to this tool; exposed name or id" },
    },
    answer: pageOf(ended),
    handle: async ({ actor, query }, house) => {
      const page = pageRequest("calls", query);
      if (!page.ok) return page;
      const principal = query.agent === undefined ? null : principalId(house, actor, query.agent);
      const tool = query.tool === undefined ? null : toolId(house, actor, query.tool);
      const { items, next } = await scanEntries(house, actor.tenant, page.value, "calls", ({ entry }) => {
        const { kind, call, outcome, principals, subject } = entry;
        if (kind !== "outcome" || call === null || outcome === null) return false;
        if (query.outcome !== undefined && outcome.kind !== query.outcome) return false;
        if (principal !== null && !principals.some((id) => id === principal)) return false;
        return tool === null || subject === tool;
      });
      return ok({ items: await Promise.all(items.map((found) => endedView(house, found))), next });
    },
  }),
  route({
    method: "GET",
    path: "/calls/open",
    summary: "List the calls that are dispatched and not answered, or that wait",
    action: "admin.call.list-open",
    kind: "read",
    query: {
      ...pageQuery,
      state: {
        enum: ["dispatched", "waiting", "pending"],
        description: "default: dispatched; `waiting` for input, `pending` for approval",
      },
    },
    answer: pageOf(open),
    handle: ({ actor, query }, house) => listOpen(house, actor, query.state ?? "dispatched", query),
  }),
  route({
    method: "GET",
    path: "/calls/unknown",
    summary: "List the calls of which nobody knows whether they happened; a person settles them",
    action: "admin.call.list-unknown",
    kind: "read",
    query: pageQuery,
    answer: pageOf(open),
    handle: ({ actor, query }, house) => listOpen(house, actor, "unknown", query),
  }),
  route({
    method: "GET",
    path: "/calls/{call}",
    summary: "Show a call: its entries, its decision, its outcome",
    action: "admin.call.show",
    kind: "read",
    params,
    answer: object({
      call: text,
      open: { oneOf: [open, { type: "null" }], description: "null = it is final" },
      outcome: { oneOf: [outcome, { type: "null" }], description: "null = there is none yet" },
      resolved: {
        oneOf: [resolved, { type: "null" }],
        description: "for an unknown outcome: what settled it",
      },
      entries: { ...listOf(entry), description: "in order of their writing" },
    }),
    handle: async ({ actor, params }, house) => {
      const found = await entriesOf(house, actor, params.call);
      if (!found.ok) return found;
      const id = params.call as CallId; // the pattern above
      const row = await readOpenCall(house.store, id);
      const last = found.value.findLast((each) => each.entry.outcome !== null)?.entry.outcome ?? null;
      return ok({
        call: id,
        open: row === null ? null : openView(house, row, await house.store.now()),
        outcome: last === null ? null : outcomeView(last),
        resolved: resolvedIn(found.value),
        entries: found.value.map((each) => entryView(house, each)),
      });
    },
  }),
  route({
    method: "GET",
    path: "/calls/{call}/payload",
    summary: "Show what a call was given and what it answered",
    notes: "Opens what is sealed, so that it was looked at is recorded.",
    action: "admin.call.read-payload",
    kind: "act",
    params,
    answer: object({ items: listOf(payload), receipt }),
    handle: async ({ actor, act, params }, house) => {
      const found = await entriesOf(house, actor, params.call);
      if (!found.ok) return found;
      const change: Change<null> = { writes: [], value: null, applied: () => undefined };
      const performed = await house.acts.perform(act, params.call, change, {});
      if (!performed.ok) return performed;
      const items = await Promise.all(found.value.map((each) => payloadView(house, each)));
      return ok({ items: items.filter((item) => item !== null), receipt: performed.value.receipt });
    },
  }),
  route({
    method: "POST",
    path: "/calls/{call}/resolve",
    summary: "Settle a call whose outcome is unknown",
    notes:
      "`done`: it happened, its step is bound for good. `retry`: it did not happen, its step may be entered again; possible one lease after the call could last have been sent.",
    action: "admin.call.resolve",
    kind: "act",
    params,
    body: object({
      resolution: { enum: resolutions },
      reason: {
        type: "string",
        minLength: 1,
        maxLength: 2_000,
        description: "how you know; kept with the entry",
      },
    }),
    example: { resolution: "done", reason: "the invoice is in the books" },
    answer: object({ call: text, entry: text, receipt }),
    handle: async ({ actor, act, params, body }, house) => {
      const call = params.call as CallId; // the pattern above
      const change = await resolveUnknown(actor, call, body.resolution, body.reason, house);
      if (!change.ok) return change;
      const performed = await house.acts.perform(act, call, change.value, { resolution: body.resolution });
      if (!performed.ok) return performed;
      return ok({ call, entry: performed.value.value.entry, receipt: performed.value.receipt });
    },
  }),
];

async function listOpen(
  house: House,
  actor: Principal,
  state: OpenCallState,
  query: { readonly limit?: number; readonly cursor?: string },
): Promise<Result<{ readonly items: readonly Shape<typeof open>[]; readonly next: string | null }>> {
  const list = `${state} calls`;
  const page = pageRequest(list, query);
  if (!page.ok) return page;
  const { after, limit } = page.value;
  const found = await listOpenCalls(house.store, actor.tenant, state, {
    limit: limit + 1,
    ...(after === null ? {} : { after: after as CallId }), // from our own cursor; any string may be compared with
  });
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const now = await house.store.now();
  return ok({
    items: items.map((call) => openView(house, call, now)),
    next: last === undefined || found.length <= limit ? null : cursorFor(list, last.call),
  });
}

async function entriesOf(
  house: House,
  actor: Principal,
  call: string,
): Promise<Result<readonly LedgerEntry[]>> {
  const entries = await house.ledger.entriesOfCall(actor.tenant, call as CallId); // the pattern above
  return entries.length === 0 ? refuse({ code: "not-found", detail: "There is no such call." }) : ok(entries);
}

async function endedView(house: House, { entry }: LedgerEntry): Promise<Shape<typeof ended>> {
  const { call, id, at, method, subject, principals, run, step, outcome, decision, tenant } = entry;
  const isUnknown = outcome?.kind === "unknown" && call !== null;
  const later = isUnknown ? await house.ledger.entriesOfCall(tenant, call) : [];
  return {
    call: call ?? "",
    entry: id,
    at: iso(at),
    method,
    tool: subject,
    name: subject === null ? null : subjectName(house, tenant, subject),
    principals,
    run,
    step,
    outcome: outcomeView(outcome ?? { kind: "unknown", code: "internal" }),
    policies: decision?.policies ?? [],
    resolved: resolvedIn(later),
  };
}

const resolvedIn = (entries: readonly LedgerEntry[]): Shape<typeof resolved> | null =>
  entries.map(({ entry }) => resolvedBy(entry)).find((found) => found !== null) ?? null;

/** A call without step or key is never sent again: nobody can come back for it. */
function wayOf({ state, class: kind, claim }: OpenCall): Resolver | null {
  if (state !== "unknown") return null;
  switch (kind) {
    case "verifiable":
      return "verify-tool";
    case "idempotent":
    case "read":
      return claim === null ? "person" : "sent-again";
    case "effect":
      return "person";
  }
}

function openView(house: House, call: OpenCall, now: StoreMs): Shape<typeof open> {
  const leftMs = elapsedMs(call.dispatchBy, now);
  const untilRetryMs = elapsedMs(plusMs(call.dispatchBy, house.leaseMs), now);
  return {
    call: call.call,
    principal: call.principal,
    tool: call.subject,
    name: subjectName(house, call.tenant, call.subject),
    class: call.class,
    state: call.state,
    node: call.node,
    intent: call.intentEntry,
    dispatchEndsInMs: Math.ceil(leftMs),
    retryPossibleInMs: Math.max(0, Math.ceil(untilRetryMs)),
    way: wayOf(call),
    trying: tryingView(house.calls.trying(call.call)),
  };
}

const tryingView = (found: Trying | null): Shape<typeof trying> | null =>
  found === null ? null : { ...found, nextInMs: found.nextInMs === null ? null : Math.ceil(found.nextInMs) };

/** The id behind a name of any kind; what names nobody is taken as an id, which then matches nothing. */
function principalId(house: House, actor: Principal, reference: string): string {
  for (const kind of ["agent", "person", "service"] as const) {
    const found = house.identities.find(actor, kind, reference);
    if (found.ok) return found.value.id;
  }
  return reference;
}

/** Tools that are gone for good are still in the ledger under their id. */
function toolId(house: House, actor: Principal, reference: string): string {
  const found = toolNamed(house, actor, reference);
  return found.ok ? found.value.tool.id : reference;
}
