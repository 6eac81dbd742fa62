import type { Clock, Random, StoreMs } from "../base/index.ts";
import { msOf, newId, plusMs } from "../base/index.ts";
import type { Write } from "../store/index.ts";
import { insert } from "../store/index.ts";
import type { ApprovalId, ApprovalRequest } from "./request.ts";
import { announcementTable } from "./tables.ts";

/**
 *  approval.requested  people of these groups are asked
 *  approval.escalated  nobody has decided yet, and these are asked as well
 */
export interface ApprovalAnnouncement {
  readonly id: string;
  readonly target: string;
  readonly approval: ApprovalId;
  readonly kind: "approval.requested" | "approval.escalated";
  readonly groups: readonly string[];
}

/**
 * What is to be told about a request, to each target: at once to whom it asks, and later to whom it escalates. They go into the
 * request's own transaction, so none is forgotten; one about a request that has been decided by then is dropped unsaid.
 */
export function announcements(
  request: ApprovalRequest,
  targets: readonly string[],
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): readonly Write[] {
  const told: { kind: ApprovalAnnouncement["kind"]; groups: readonly string[]; dueAt: StoreMs }[] = [
    {
      kind: "approval.requested",
      groups: [...new Set(request.rules.map(({ group }) => group))],
      dueAt: request.requestedAt,
    },
    ...request.rules.flatMap(({ escalation }) =>
      escalation.map(({ group, afterMs }) => ({
        kind: "approval.escalated" as const,
        groups: [group],
        dueAt: plusMs(request.requestedAt, afterMs),
      })),
    ),
  ];
  const createdAt = msOf(clock.wall());
  return targets.flatMap((target) =>
    told.map(({ kind, groups, dueAt }) =>
      insert(announcementTable, {
        id: newId("ann", clock.wall(), random),
        target,
        approval: request.id,
        tenant: request.tenant,
        kind,
        groups: JSON.stringify(groups),
        attempts: 0,
        dueAt: msOf(dueAt),
        createdAt,
      }),
    ),
  );
}
