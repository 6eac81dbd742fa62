import { callerName, deadReasons, escalations, runStates } from "../../../contract/index.ts";
import type { Shape } from "../../api/index.ts";
import {
  flag,
  instant,
  instantOrNull,
  listOf,
  named,
  object,
  objectWith,
  pageOf,
  receipt,
  text,
  textOrNull,
  whole,
} from "../../api/index.ts";
import type { Result, StoreMs } from "../../base/index.ts";
import { elapsedMs, ok, refuse } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { EntryId, RunId, RunRecord } from "../../ledger/index.ts";
import { childrenOf, claimsOfRun, isEnded, listRuns, runById } from "../../ledger/index.ts";
import {
  childrenMax,
  deadlineMsMax,
  decisionWrites,
  endingWrites,
  forkRun,
  raiseWrites,
  reasonCharactersMax,
  signalWrites,
  startRun,
  tokensMaxMax,
} from "../../runs/index.ts";
import { rowsPerReadMax } from "../../store/index.ts";
import type { House } from "../house.ts";
import { iso, isoOrNull } from "../instant.ts";
import { cursorFor, pageOfSorted, pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";
import { payload, payloadView } from "./entry-view.ts";
import { runStep, stepView } from "./run-step-view.ts";

const run = named(
  "Run",
  object({
    run: text,
    name: { type: "string", description: "as its owner calls it" },
    principals: { ...listOf(text), description: "the owner first, then on whose behalf" },
    state: { enum: runStates },
    attempt: { ...whole, description: "how many processes have worked on it" },
    isAlive: { ...flag, description: "its agent has been heard of lately" },
    hook: {
      ...textOrNull,
      description: "what starts its agent: a hook, or `agent@version` of a hosted one; null = nothing does",
    },
    isOrphan: {
      ...flag,
      description:
        "the configuration has lost its hook, or its agent's version: bring it back, or cancel or drop the run",
    },
    starts: { ...whole, description: "how often in a row that has led to nothing so far" },
    losses: {
      ...whole,
      description: "how often its agent was lost lately, also where it had got on in between",
    },
    deadReason: {
      enum: [...deadReasons, null],
      description:
        "why it is dead: `starts-used-up`, in a row and without getting on; `retries-used-up`, in a stretch of time; `start-refused` by what starts its agent; null = it is not",
    },
    dropLeftMs: {
      type: ["integer", "null"],
      description: "how long people have to retry it, until it is dropped by itself; null = it is not dead",
    },
    waitsFor: listOf(
      object({
        kind: { enum: ["timer", "signal", "approval", "child"] },
        step: text,
        signal: textOrNull,
        approval: textOrNull,
        child: { ...textOrNull, description: "the name of a run that it has started and that is open" },
        groups: listOf(text),
        reason: { ...textOrNull, description: "why a person has to decide; null = nobody has to" },
        answers: { ...listOf(text), description: "what that person's signal may say under `do`" },
        leftMs: { type: ["integer", "null"], description: "null = it waits for good" },
      }),
    ),
    parent: {
      oneOf: [object({ run: text, step: text }), { type: "null" }],
      description: "the run that started it, and from which step; null = no run did",
    },
    children: { ...whole, description: "how many runs it has started" },
    tokens: object({
      used: { ...whole, description: "by the model's answers on record, in and out" },
      max: { type: ["integer", "null"], description: "null = it may use any number" },
    }),
    createdAt: instant,
    deadlineLeftMs: {
      type: ["integer", "null"],
      description: "until it fails; null = it began under a version whose runs might take any time",
    },
    endedAt: { ...instantOrNull, description: "since when it is not open; null = it is open" },
    endEntry: {
      type: ["string", "null"],
      description:
        "the entry of its end, or of its death: result, or reason and last error, are sealed in it; null = it is open",
    },
  }),
);

export const params = {
  run: { type: "string", pattern: "^run_[0-9a-z]{26}$", description: "id of a run" },
} as const;

export const runRoutes = [
  route({
    method: "POST",
    path: "/agents/{name}/runs",
    summary: "Start a run of a hosted agent",
    notes:
      "Due at once, and driven by the version of the agent that the configuration has for new runs. A name that the agent has a run of already is refused with `conflict`, so whoever starts by a name starts once.",
    action: "admin.run.start",
    kind: "act",
    params: { name: { type: "string", description: "name of a hosted agent of the configuration" } },
    body: objectWith([], {
      input: {
        description:
          "what the agent is given: any JSON, at most 1 MiB, completed and checked as the configuration says; left out = null",
      },
      name: {
        type: "string",
        pattern: callerName.source,
        description: "what the run is called; left out = one is made up",
      },
      deadlineMs: {
        type: "integer",
        minimum: 1_000,
        maximum: deadlineMsMax,
        description:
          "how long from now the run fails if it is still open; left out = as the configuration says of its agent, or 400 days",
      },
    }),
    example: { input: { invoice: "2026-0417" }, name: "invoice-2026-0417" },
    status: 201,
    answer: object({ run: text, name: text, receipt }),
    handle: async ({ actor, act, params, body }, house) => {
      const hosted = house.hosting.find(actor.tenant, params.name);
      if (!hosted.ok) return hosted;
      const { owner, hook, tokensMax } = hosted.value;
      const { name = null, deadlineMs = hosted.value.deadlineMs } = body;
      const input = hosted.value.inputOf(body.input ?? null);
      if (!input.ok) return input;
      const wishes = { hook, name, input: input.value, deadlineMs, tokensMax };
      const started = await startRun(owner, wishes, house);
      if (!started.ok) return started;
      const { run, writes } = started.value;
      const change = { writes, value: null, applied: () => house.runs.changed(run) };
      // What it is given stays with the run, under the run's key.
      const performed = await house.acts.perform(act, run.run, change, { name: run.name, hook });
      if (!performed.ok) return performed;
      return ok({ run: run.run, name: run.name, receipt: performed.value.receipt });
    },
  }),
  route({
    method: "GET",
    path: "/runs",
    summary: "List the runs, newest first",
    action: "admin.run.list",
    kind: "read",
    query: { ...pageQuery, state: { enum: runStates, description: "only those that stand so" } },
    answer: pageOf(run),
    handle: async ({ actor, query }, house) => {
      const list = `${query.state ?? "all"} runs`;
      const page = pageRequest(list, query);
      if (!page.ok) return page;
      const { after, limit } = page.value;
      const found = await listRuns(house.store, actor.tenant, {
        limit: limit + 1,
        ...(query.state === undefined ? {} : { state: query.state }),
        ...(after === null ? {} : { before: after as RunId }), // from our own cursor; any string may be compared with
      });
      const items = found.slice(0, limit);
      const last = items.at(-1);
      const now = await house.store.now();
      return ok({
        items: await Promise.all(items.map((each) => runView(house, each, now))),
        next: last === undefined || found.length <= limit ? null : cursorFor(list, last.run),
      });
    },
  }),
  route({
    method: "GET",
    path: "/runs/{run}",
    summary: "Show a run: how it stands and what it waits for",
    action: "admin.run.show",
    kind: "read",
    params,
    answer: run,
    handle: async ({ actor, params }, house) => {
      const found = await runOf(house, actor, params.run);
      return found.ok ? ok(await runView(house, found.value, await house.store.now())) : found;
    },
  }),
  route({
    method: "GET",
    path: "/runs/{run}/steps",
    summary: "List a run's steps in the order of their first arrival",
    action: "admin.run.list-steps",
    kind: "read",
    params,
    query: pageQuery,
    answer: pageOf(runStep),
    handle: async ({ actor, params, query }, house) => {
      const found = await runOf(house, actor, params.run);
      if (!found.ok) return found;
      const list = `steps ${params.run}`;
      const page = pageRequest(list, query);
      if (!page.ok) return page;
      const { run, tenant } = found.value;
      const claims = await claimsOfRun(house.store, tenant, run, { limit: rowsPerReadMax });
      // Ids of calls and local steps begin with the time of their making, after another word each.
      const orderOf = ({ call }: { readonly call: string }) => call.slice(call.indexOf("_"));
      const sorted = claims.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
      const { items, next } = pageOfSorted(list, page.value, sorted, orderOf);
      return ok({ items: await Promise.all(items.map((claim) => stepView(house, claim))), next });
    },
  }),
  route({
    method: "GET",
    path: "/runs/{run}/children",
    summary: "List the runs that a run has started, in the order of their beginning",
    action: "admin.run.list-children",
    kind: "read",
    params,
    query: pageQuery,
    answer: pageOf(run),
    handle: async ({ actor, params, query }, house) => {
      const found = await runOf(house, actor, params.run);
      if (!found.ok) return found;
      const list = `children ${params.run}`;
      const page = pageRequest(list, query);
      if (!page.ok) return page;
      const all = await childrenOf(house.store, found.value.run, childrenMax);
      const { items, next } = pageOfSorted(list, page.value, all, (each) => each.run);
      const now = await house.store.now();
      return ok({ items: await Promise.all(items.map((each) => runView(house, each, now))), next });
    },
  }),
  route({
    method: "GET",
    path: "/runs/{run}/entries/{entry}/payload",
    summary: "Show what a local step gave, or a run's result or reason",
    notes:
      "Opens what is sealed, so that it was looked at is recorded. Payloads of calls are read with the call.",
    action: "admin.run.read-payload",
    kind: "act",
    params: {
      ...params,
      entry: { type: "string", maxLength: 100, description: "id of an entry of this run" },
    },
    answer: object({
      payload: { oneOf: [payload, { type: "null" }], description: "null = there is none" },
      receipt,
    }),
    handle: async ({ actor, act, params }, house) => {
      const found = await house.ledger.entry(actor.tenant, params.entry as EntryId); // any string may be looked for
      // Another action guards what calls were given and answered.
      if (found === null || found.entry.run !== params.run || found.entry.call !== null)
        return refuse({ code: "not-found", detail: "There is no such entry of this run's own." });
      const change = { writes: [], value: null, applied: () => undefined };
      const performed = await house.acts.perform(act, found.entry.id, change, { run: params.run });
      if (!performed.ok) return performed;
      return ok({ payload: await payloadView(house, found), receipt: performed.value.receipt });
    },
  }),
  route({
    method: "POST",
    path: "/runs/{run}/cancel",
    summary: "End a run that is not over; its agent hears of it with its next step",
    notes: "A call of it that was sent already is not called back: it comes to its own end.",
    action: "admin.run.cancel",
    kind: "act",
    params,
    body: object({
      reason: {
        type: "string",
        minLength: 1,
        maxLength: reasonCharactersMax,
        description: "kept with the entry",
      },
    }),
    example: { reason: "started twice by mistake" },
    answer: object({ run: text, entry: text, receipt }),
    handle: async ({ actor, act, params, body }, house) => {
      const found = await runOf(house, actor, params.run);
      if (!found.ok) return found;
      const { state } = found.value;
      if (state === "dead")
        return refuse({ code: "conflict", detail: "The run is dead: have it retried, or drop it." });
      if (isEnded(found.value)) return refuse({ code: "run-ended", detail: `The run is ${state} already.` });
      const ending = { state: "cancelled", reason: body.reason } as const;
      const { writes, receipt: end } = await endingWrites(actor, found.value, ending, house);
      const change = { writes, value: null, applied: () => house.runs.changed(found.value) };
      const performed = await house.acts.perform(act, params.run, change, { reason: body.reason });
      if (!performed.ok) return performed;
      return ok({ run: params.run, entry: end.entry, receipt: performed.value.receipt });
    },
  }),
  route({
    method: "POST",
    path: "/runs/{run}/fork",
    summary: "Go on from the steps of a run, in a new one",
    notes:
      "The new run is given back every step before `from` as it is on record, and does the others anew, with their effects. The run itself stays as it is, so this is also another try for one that has failed.",
    action: "admin.run.fork",
    kind: "act",
    params,
    body: objectWith([], {
      from: {
        type: "string",
        pattern: callerName.source,
        description: "the first step that is done anew; left out = everything on record is kept",
      },
      name: {
        type: "string",
        pattern: callerName.source,
        description: "what the new run is called; left out = one is made up",
      },
      isLatest: {
        ...flag,
        description:
          "true = of a hosted agent: driven by its version for new runs, in place of the one the run began with",
      },
    }),
    example: { from: "book-2" },
    status: 201,
    answer: object({
      run: text,
      name: text,
      kept: { ...whole, description: "steps that it is given back" },
      receipt,
    }),
    handle: async ({ actor, act, params, body }, house) => {
      const found = await runOf(house, actor, params.run);
      if (!found.ok) return found;
      const origin = found.value;
      if (origin.chain.length > 1)
        return refuse({ code: "conflict", detail: "Its agent acted on behalf of somebody; only they can." });
      const owner = house.identities.recorded(origin.tenant, origin.owner);
      if (!owner.ok) return owner;
      // A run that another one has started is driven by another agent than it acts for.
      const agent = origin.hook?.match(/^(.*)@/)?.[1] ?? owner.value.name;
      const hosted = house.hosting.find(origin.tenant, agent);
      if (body.isLatest === true && !hosted.ok) return hosted;
      const hook = body.isLatest === true && hosted.ok ? hosted.value.hook : origin.hook;
      // A hosted run, whatever its version, has its agent's deadline; a run that is driven elsewhere has none.
      const isHosted = hosted.ok && hook?.startsWith(`${agent}@`) === true;
      const deadlineMs = isHosted ? hosted.value.deadlineMs : null;
      const wishes = { name: body.name ?? null, from: body.from ?? null, hook, deadlineMs };
      const forked = await forkRun(actor, owner.value, origin, wishes, house);
      if (!forked.ok) return forked;
      const { run, kept, writes } = forked.value;
      const change = { writes, value: null, applied: () => house.runs.changed(run) };
      const note = { name: run.name, origin: origin.run, from: wishes.from, kept, hook };
      const performed = await house.acts.perform(act, run.run, change, note);
      if (!performed.ok) return performed;
      return ok({ run: run.run, name: run.name, kept, receipt: performed.value.receipt });
    },
  }),
  route({
    method: "POST",
    path: "/runs/{run}/tokens",
    summary: "Raise the tokens that an open run may use",
    notes: "By a person alone. A run that has used up its tokens, and asks, goes on.",
    action: "admin.run.raise-tokens",
    kind: "act",
    params,
    body: object({
      max: {
        type: "integer",
        minimum: 1,
        maximum: tokensMaxMax,
        description: "in all, those that are used already among them",
      },
    }),
    example: { max: 400_000 },
    answer: object({ run: text, max: whole, receipt }),
    handle: async ({ actor, act, params, body: { max } }, house) => {
      const found = await runOf(house, actor, params.run);
      if (!found.ok) return found;
      const { run } = params;
      const writes = await raiseWrites(actor, found.value, max, house);
      if (!writes.ok) return writes;
      const change = {
        writes: writes.value,
        value: null,
        applied: () => house.runs.changed(found.value),
      };
      const note = { from: found.value.tokensMax, to: max };
      const performed = await house.acts.perform(act, run, change, note);
      return performed.ok ? ok({ run, max, receipt: performed.value.receipt }) : performed;
    },
  }),
  route({
    method: "POST",
    path: "/runs/{run}/signals/{signal}",
    summary: "Send an open run a signal, for a step that waits for it or will",
    notes:
      "Kept until a step takes it. The first of a name counts: a second one is refused as long as that one waits. Where the run waits for a decision by this name, the payload says what, under `do`; a budget of tokens is raised by a person alone.",
    action: "admin.run.signal",
    kind: "act",
    params: {
      ...params,
      signal: {
        type: "string",
        pattern: callerName.source,
        description: "its name, as the run's step gives it",
      },
    },
    body: objectWith([], { payload: { description: "any JSON, at most 64 KiB; left out = null" } }),
    example: { payload: { paid: true } },
    answer: object({ run: text, signal: text, receipt }),
    handle: async ({ actor, act, params, body }, house) => {
      const found = await runOf(house, actor, params.run);
      if (!found.ok) return found;
      const { run, signal } = params;
      const decision = decisionWrites(actor, found.value, signal, body.payload ?? null);
      if (!decision.ok) return decision;
      const writes = await signalWrites(found.value, signal, body.payload ?? null, house);
      if (!writes.ok) return writes;
      const applied = () => house.runs.changed(found.value);
      // What it carries stays with the run, under the run's key, and is not copied into the act's own record.
      const performed = await house.acts.perform(
        act,
        run,
        { writes: [...decision.value, ...writes.value], value: null, applied },
        { signal },
      );
      return performed.ok ? ok({ run, signal, receipt: performed.value.receipt }) : performed;
    },
  }),
];

export async function runOf(house: House, actor: Principal, id: string): Promise<Result<RunRecord>> {
  const found = await runById(house.store, actor.tenant, id as RunId); // the pattern above
  return found === null ? refuse({ code: "not-found", detail: "There is no such run." }) : ok(found);
}

async function runView(house: House, found: RunRecord, now: StoreMs): Promise<Shape<typeof run>> {
  const waits = await house.runs.standing(found, now);
  const leftMs = (at: StoreMs | null) => (at === null ? null : Math.max(0, elapsedMs(at, now)));
  return {
    run: found.run,
    name: found.name,
    principals: found.chain,
    state: found.state,
    attempt: found.attempt,
    isAlive: (leftMs(found.aliveUntil) ?? 0) > 0,
    hook: found.hook,
    isOrphan: house.runs.isOrphan(found),
    starts: found.starts,
    losses: found.losses,
    deadReason: found.deadReason,
    dropLeftMs: found.state === "dead" ? leftMs(found.wakeAt) : null,
    waitsFor: waits.map((wait) => ({
      kind: wait.kind,
      step: wait.step,
      signal: wait.kind === "signal" ? wait.signal : null,
      approval: wait.kind === "approval" ? wait.approval : null,
      child: wait.kind === "child" ? wait.child : null,
      groups: wait.kind === "approval" ? wait.groups : [],
      reason: (wait.kind === "signal" ? wait.escalation?.reason : null) ?? null,
      answers:
        wait.kind === "signal" && wait.escalation !== undefined ? escalations[wait.escalation.about] : [],
      leftMs: leftMs(wait.until),
    })),
    parent: found.parent === null ? null : { run: found.parent.run, step: found.parent.step },
    children: found.children,
    tokens: { used: found.tokensUsed, max: found.tokensMax },
    createdAt: iso(found.createdAt),
    deadlineLeftMs: leftMs(found.deadline),
    endedAt: isoOrNull(found.endedAt),
    endEntry: found.endEntry,
  };
}
