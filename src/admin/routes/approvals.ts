import type { ApprovalId, ApprovalRequest, Standing } from "../../approvals/index.ts";
import {
  approvalStates,
  listApprovals,
  mayDecide,
  openRules,
  unproven,
  visibleText,
} from "../../approvals/index.ts";
import type { Result, StoreMs, WallMs } from "../../base/index.ts";
import { elapsedMs, ok, plusMs, refuse } from "../../base/index.ts";
import type { Principal, PrincipalId } from "../../identity/index.ts";
import type { Change } from "../../store/index.ts";
import type { Act } from "../act.ts";
import type { House } from "../house.ts";
import { iso } from "../instant.ts";
import { cursorFor, pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";
import type { Shape } from "../../api/index.ts";
import {
  digest,
  flag,
  instant,
  listOf,
  object,
  objectWith,
  pageOf,
  receipt,
  text,
  textOrNull,
  named,
} from "../../api/index.ts";

const approval = named(
  "Approval",
  object({
    id: text,
    state: { enum: approvalStates },
    call: text,
    name: { type: "string", description: "what is called, as its caller knows it" },
    subject: text,
    principals: { ...listOf(text), description: "who makes the call, then on whose behalf" },
    names: { ...listOf(text), description: "what people call them; the id of one that has gone" },
    run: textOrNull,
    step: textOrNull,
    intent: { ...digest, description: "what exactly is asked about; a vote names it" },
    requestedAt: instant,
    expiresAt: instant,
    rules: {
      ...listOf(
        object({
          policy: text,
          reason: {
            ...textOrNull,
            description:
              "why people are asked, as the policy says (`@description`), for eyes; null = it does not, or the request was changed",
          },
          groups: { ...listOf(text), description: "who is asked by now" },
          quorum: { type: "integer" },
          endorses: {
            ...listOf(text),
            description:
              "places in the arguments: a yes holds for the whole run where these values come again",
          },
          approvals: { type: "integer", description: "how many of them have said yes" },
        }),
      ),
      description: "all of them have to be satisfied",
    },
    mayDecide: { type: "boolean", description: "whether you are asked" },
    whyNot: { type: ["string", "null"], description: "why you are not; null = you are" },
  }),
);

const vote = named(
  "ApprovalVote",
  object({ person: text, name: text, vote: { enum: ["approve", "deny"] }, at: instant, entry: text }),
);

const params = {
  approval: { type: "string", pattern: "^apr_[0-9a-z]{26}$", description: "id of an approval" },
} as const;

const reasonText = { type: "string", maxLength: 2_000 } as const;

export const approvalRoutes = [
  route({
    method: "GET",
    path: "/approvals",
    summary: "List the calls that people are asked about, oldest first",
    action: "admin.approval.list",
    kind: "read",
    query: { ...pageQuery, state: { enum: approvalStates, description: "default: pending" } },
    answer: pageOf(approval),
    handle: async ({ actor, query }, house) => {
      const state = query.state ?? "pending";
      const page = pageRequest(`${state} approvals`, query);
      if (!page.ok) return page;
      const { after, limit } = page.value;
      const found = await listApprovals(house.store, actor.tenant, state, {
        limit: limit + 1,
        ...(after === null ? {} : { after: after as ApprovalId }), // from our own cursor
      });
      const shown = found.slice(0, limit);
      const last = shown.at(-1);
      return ok({
        items: await Promise.all(shown.map(({ id }) => view(house, actor, id))).then((all) =>
          all.filter((each) => each !== null),
        ),
        next: last === undefined || found.length <= limit ? null : cursorFor(`${state} approvals`, last.id),
      });
    },
  }),
  route({
    method: "GET",
    path: "/approvals/{approval}",
    summary: "Show exactly what will run when it is approved",
    notes:
      "Opens what is sealed, so that it was looked at is recorded. `shown` is for eyes: signs that hide or reorder stand as their numbers.",
    action: "admin.approval.show",
    kind: "act",
    params,
    answer: object({
      approval,
      votes: listOf(vote),
      arguments: {
        type: ["string", "null"],
        description:
          "canonical JSON text (RFC 8785), exactly as it will be sent; null = it was erased, or the request was changed",
      },
      shown: textOrNull,
      receipt,
    }),
    handle: async ({ actor, act, params }, house) => {
      const id = params.approval as ApprovalId; // the pattern above
      const standing = await house.approvals.standing(actor.tenant, id);
      if (standing === null) return refuse(missing);
      const nothing: Change<null> = { writes: [], value: null, applied: () => undefined };
      const performed = await house.acts.perform(act, id, nothing, {}, { about: aboutOf(standing.request) });
      if (!performed.ok) return performed;
      // What a changed row points to is not what will run.
      const asked = standing.isProven ? await argumentsOf(house, standing.request) : null;
      return ok({
        approval: viewOf(house, actor, standing, await house.store.now()),
        votes: standing.votes.map(({ person, vote, at, entry }) => ({
          person,
          name: nameOf(house, actor, person),
          vote,
          at: iso(at),
          entry,
        })),
        arguments: asked,
        shown: asked === null ? null : visibleText(indented(asked)),
        receipt: performed.value.receipt,
      });
    },
  }),
  route({
    method: "POST",
    path: "/approvals/{approval}/approve",
    summary: "Say yes to exactly this intent",
    notes:
      "For people of a group that is asked, in their own name. The call runs when its caller comes back for it, once, and nothing else runs by this.",
    action: "admin.approval.approve",
    kind: "act",
    params,
    body: objectWith(["intent"], {
      intent: { ...digest, description: "as you were shown it" },
      reason: { ...reasonText, description: "kept with the vote" },
    }),
    example: { intent: "0".repeat(64), reason: "agreed with the supplier" },
    answer: object({ approval, isDecided: flag, receipt }),
    handle: ({ actor, act, params, body }, house) =>
      decide(house, { actor, act, vote: "approve" }, params.approval, { reason: "", ...body }),
  }),
  route({
    method: "POST",
    path: "/approvals/{approval}/deny",
    summary: "Say no; one no is enough",
    notes: "The caller is told the reason, in your words.",
    action: "admin.approval.deny",
    kind: "act",
    params,
    body: object({
      intent: { ...digest, description: "as you were shown it" },
      reason: { ...reasonText, minLength: 1, description: "the caller is told this" },
    }),
    example: { intent: "0".repeat(64), reason: "the invoice was paid on Monday" },
    answer: object({ approval, isDecided: flag, receipt }),
    handle: ({ actor, act, params, body }, house) =>
      decide(house, { actor, act, vote: "deny" }, params.approval, body),
  }),
];

interface Deciding {
  readonly actor: Principal;
  readonly act: Act;
  readonly vote: "approve" | "deny";
}

/** A quorum of twenty who all press at once. */
const votingAttemptsMax = 20;

async function decide(
  house: House,
  { actor, act, vote }: Deciding,
  approvalId: string,
  body: { readonly intent: string; readonly reason: string },
) {
  const id = approvalId as ApprovalId; // the pattern above
  for (let attempt = 1; ; attempt++) {
    const standing = await house.approvals.standing(actor.tenant, id);
    if (standing === null) return refuse(missing);
    if (vote === "approve" && standing.isProven && (await argumentsOf(house, standing.request)) === null)
      return refuse(unseen);
    const entry = house.acts.newEntryId();
    const cast = { vote, intent: body.intent, entry, at: house.clock.wall() };
    const voted = await house.approvals.vote(actor, id, cast);
    if (!voted.ok) return voted;
    const change: Change<null> = {
      writes: voted.value.writes,
      value: null,
      applied: () => house.approvals.decided(id),
    };
    const note = { vote, reason: body.reason };
    const about = aboutOf(standing.request);
    const performed = await house.acts.perform(act, id, change, note, { id: entry, about });
    if (!performed.ok) {
      // Somebody else voted at the same moment: that is looked at, and this vote stands or falls by what is true then.
      if (performed.refusal.code === "conflict" && attempt < votingAttemptsMax) continue;
      return performed;
    }
    const seen = await view(house, actor, id);
    if (seen === null) return refuse(missing);
    return ok({
      approval: seen,
      isDecided: voted.value.state !== "pending",
      receipt: performed.value.receipt,
    });
  }
}

/** The vote's leaf binds it to the intent, whatever stands in any other table. */
const aboutOf = ({ run, step, intentDigest }: ApprovalRequest) => ({ run, step, intentDigest });

async function argumentsOf(house: House, request: ApprovalRequest): Promise<string | null> {
  const asked = await house.ledger.entry(request.tenant, request.requestEntry);
  const opened = asked === null ? null : await house.ledger.payload(asked);
  return opened === null || opened.erased ? null : (opened.payload.arguments ?? null);
}

/** Nobody reads more line by line; and small things deeply nested would be a hundred times as long. */
const indentedCharsMax = 64 * 1024;

const indented = (json: string): string =>
  json.length > indentedCharsMax ? json : JSON.stringify(JSON.parse(json), null, 2);

async function view(house: House, actor: Principal, id: ApprovalId): Promise<Shape<typeof approval> | null> {
  const standing = await house.approvals.standing(actor.tenant, id);
  return standing === null ? null : viewOf(house, actor, standing, await house.store.now());
}

function viewOf(
  house: House,
  actor: Principal,
  { request, votes, isProven }: Standing,
  now: StoreMs,
): Shape<typeof approval> {
  const wall = house.clock.wall();
  const may: Result<unknown> = !isProven
    ? refuse({ code: "conflict", detail: unproven })
    : request.state === "pending"
      ? mayDecide(actor, request, now, house.approvals.selfByDefault)
      : refuse({ code: "conflict", detail: `it is ${request.state}` });
  return {
    id: request.id,
    state: request.state,
    call: request.call,
    name: request.name,
    subject: request.subject,
    principals: request.principals,
    names: request.principals.map((id) => nameOf(house, actor, id)),
    run: request.run,
    step: request.step,
    intent: request.intentDigest,
    requestedAt: iso(wallOf(request.requestedAt, now, wall)),
    expiresAt: iso(wallOf(request.expiresAt, now, wall)),
    rules: openRules(request, votes, now).standing.map(({ rule, groups, approvals }, place) => ({
      policy: rule.policyId,
      reason: isProven ? shownReason(request, place) : null,
      groups,
      quorum: rule.quorum,
      endorses: request.run === null ? [] : rule.endorse,
      approvals,
    })),
    mayDecide: may.ok,
    whyNot: may.ok ? null : may.refusal.detail,
  };
}

function shownReason({ reasons }: ApprovalRequest, place: number): string | null {
  const reason = reasons?.[place] ?? null;
  return reason === null ? null : visibleText(reason);
}

const nameOf = ({ identities }: House, { tenant }: Principal, id: PrincipalId): string =>
  identities.nameOf(tenant, id) ?? id;

/** Store time as people read it. */
const wallOf = (at: StoreMs, now: StoreMs, wall: WallMs): WallMs => plusMs(wall, elapsedMs(at, now));

const missing = { code: "not-found", detail: "There is no such approval." } as const;
const unseen = { code: "erased", detail: "Nobody can see any more what would run." } as const;
