import type { Clock, Random, StoreMs } from "../base/index.ts";
import { elapsedMs, msOf, newId, plusMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { RowOf, Write } from "../store/index.ts";
import { insert } from "../store/index.ts";
import type { ApprovalRequest, ApprovalState } from "./request.ts";
import { announcementTable } from "./tables.ts";

/**
 *  approval.requested  people of these groups are asked
 *  approval.escalated  nobody has decided yet, and these are asked as well
 *  approval.decided    nobody is asked any more; `outcome` says why
 */
type AnnouncementKind = "approval.requested" | "approval.escalated" | "approval.decided";

/** How a request stopped being pending, or being good. */
export type Decided = Exclude<ApprovalState, "pending" | "used">;

export type Announcement = RowOf<typeof announcementTable.columns>;

export interface Announcing {
  readonly clock: Clock;
  readonly random: Random;
  /** Names of the webhooks that are told what happens in this tenant. */
  readonly targets: (tenant: TenantId) => readonly string[];
}

/**
 * What is to be told about a request, to each target: at once to whom it asks, and later to whom it escalates. They go into the
 * request's own transaction, so none is forgotten; one about a request that has been decided by then is dropped unsaid.
 */
export function askedAnnouncements(request: ApprovalRequest, announcing: Announcing): readonly Write[] {
  const asked = [...new Set(request.rules.map(({ group }) => group))];
  return [
    ...announce(
      request,
      { kind: "approval.requested", groups: asked, dueAt: request.requestedAt },
      announcing,
    ),
    ...request.rules.flatMap(({ escalation }) =>
      escalation.flatMap(({ group, afterMs }) => {
        const dueAt = plusMs(request.requestedAt, afterMs);
        return announce(request, { kind: "approval.escalated", groups: [group], dueAt }, announcing);
      }),
    ),
  ];
}

/** Goes into the transaction that decides it. Due at once: no request was made later than now. */
export function decidedAnnouncements(
  request: ApprovalRequest,
  outcome: Decided,
  announcing: Announcing,
): readonly Write[] {
  const groups = [...new Set(request.rules.map(({ group }) => group))];
  const told: Told = { kind: "approval.decided", groups, outcome, dueAt: request.requestedAt };
  return announce(request, told, announcing);
}

interface Told {
  readonly kind: AnnouncementKind;
  readonly groups: readonly string[];
  readonly dueAt: StoreMs;
  readonly outcome?: Decided;
}

function announce(
  { id, tenant, requestedAt }: ApprovalRequest,
  { kind, groups, dueAt, outcome }: Told,
  { clock, random, targets }: Announcing,
): Write[] {
  return targets(tenant).map((target) =>
    insert(announcementTable, {
      id: newId("ann", clock.wall(), random),
      target,
      approval: id,
      tenant,
      kind,
      groups: JSON.stringify(groups),
      outcome: outcome ?? null,
      attempts: 0,
      dueAt: msOf(dueAt),
      eventAt: msOf(plusMs(clock.wall(), elapsedMs(dueAt, requestedAt))),
    }),
  );
}
