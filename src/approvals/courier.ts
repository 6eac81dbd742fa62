import type { CancelTimer, Clock, Random, StoreMs } from "../base/index.ts";
import { elapsedMs, msOf, plusMs, randomBelow } from "../base/index.ts";
import type { PrincipalId, TenantId } from "../identity/index.ts";
import type { WebhookAnswer, WebhookMessage } from "../net/index.ts";
import type { Store, Write } from "../store/index.ts";
import { remove, update } from "../store/index.ts";
import type { Announcement } from "./announcement.ts";
import type { ApprovalId, ApprovalRequest } from "./request.ts";
import { readApproval, requesterOf } from "./request.ts";
import { announcementTable } from "./tables.ts";

/** People take minutes to decide; they need not hear of it faster than this. */
const lookEveryMs = 1_000;
/** Whoever claims one has this long to tell it, more than a webhook's time; then it counts as dead, and another node takes over. */
const claimMs = 30_000;
/** 5 s, 15 s, 45 s … up to two hours, less what chance takes off: 19 attempts fit into a day. */
const backoffFirstMs = 5_000;
const backoffGrowth = 3;
const backoffMaxMs = 2 * 3_600_000;
const attemptsMax = 19;

export interface CourierOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Pick<Store, "get" | "list" | "commit" | "now">;
  /** The name of the webhook that this one goes to. */
  readonly target: string;
  /** One attempt. Must not throw. */
  readonly send: (message: WebhookMessage, signal: AbortSignal) => Promise<WebhookAnswer>;
  readonly urlOf: (id: ApprovalId) => string | null;
  /** What people call this principal; null = it has gone. */
  readonly nameOf: (tenant: TenantId, id: PrincipalId) => string | null;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/**
 * Takes the announcements for one webhook there, one after the other. Each is claimed by a guarded write before it is sent, so nodes
 * don't say the same twice; what a node had claimed when it died is said again. None holds up another: one that could not be
 * delivered has its own next time.
 */
export class Courier {
  private readonly options: CourierOptions;
  private readonly stopping = new AbortController();
  private cancel: CancelTimer | null = null;
  private walking: Promise<void> = Promise.resolve();

  constructor(options: CourierOptions) {
    this.options = options;
  }

  start(): void {
    this.walking = this.walk().finally(() => this.later());
  }

  /** What is on its way is given up, and said again after the next start. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.cancel?.();
    await this.walking;
  }

  private later(): void {
    if (this.stopping.signal.aborted) return;
    this.cancel = this.options.clock.after(lookEveryMs, () => this.start());
  }

  private async walk(): Promise<void> {
    const { store, target, onTrouble } = this.options;
    try {
      while (!this.stopping.signal.aborted) {
        const [next] = await store.list(announcementTable, { index: "due", equals: { target }, limit: 1 });
        if (next === undefined) return;
        const now = await store.now();
        if (next.dueAt > msOf(now)) return;
        const claimed = await this.claim(next, now);
        if (claimed !== null) await store.commit([await this.told(claimed, now)]);
      }
    } catch (thrown) {
      onTrouble(`telling webhook ${target} about approvals`, thrown);
    }
  }

  private async claim(announcement: Announcement, now: StoreMs): Promise<Announcement | null> {
    const { id, target, attempts, dueAt } = announcement;
    const claimed = { attempts: attempts + 1, dueAt: msOf(plusMs(now, claimMs)) };
    const write = update(announcementTable, { id, target }, claimed, { attempts, dueAt });
    const { verdict } = await this.options.store.commit([write]);
    return verdict === "done" ? { ...announcement, ...claimed } : null;
  }

  /** What becomes of it: it is done with, or has a next time. */
  private async told(announcement: Announcement, now: StoreMs): Promise<Write> {
    const { store, clock, random, target, send } = this.options;
    const { id, attempts, approval, tenant } = announcement;
    const done = remove(announcementTable, { id, target }, { attempts });
    const request = await readApproval(store, tenant as TenantId, approval as ApprovalId);
    if (request === null || isOutdated(announcement, request, now)) return done;
    const leftMs = elapsedMs(request.expiresAt, now);
    const body = this.bodyOf(announcement, request, iso(msOf(clock.wall()) + leftMs));
    const answer = await send({ id, body }, this.stopping.signal);
    if (answer.kind === "taken") return done;
    const why = answer.kind === "gone" ? "it wants no more of this (status 410)" : answer.detail;
    const doing = `telling webhook ${target} about ${announcement.kind} ${approval}`;
    const isLast = answer.kind === "gone" || attempts >= attemptsMax;
    if (isLast) {
      this.options.onTrouble(doing, new Error(`given up after ${attempts} attempts: ${why}`));
      return done;
    }
    const isStopping = this.stopping.signal.aborted;
    if (!isStopping) this.options.onTrouble(doing, new Error(`attempt ${attempts}: ${why}`));
    const afterMs = isStopping ? 0 : backoffMs(attempts, answer.afterMs, random);
    const dueAt = msOf(plusMs(await store.now(), afterMs));
    return update(announcementTable, { id, target }, { dueAt }, { attempts });
  }

  /** Never what is to be called with: who may see that signs in. */
  private bodyOf(announcement: Announcement, request: ApprovalRequest, expiresAt: string): string {
    const { urlOf, nameOf } = this.options;
    const requester = requesterOf(request.principals) as PrincipalId;
    const { kind, groups, outcome, eventAt } = announcement;
    return JSON.stringify({
      type: kind,
      timestamp: iso(eventAt),
      data: {
        approval: request.id,
        call: request.call,
        tool: request.name,
        requester: { id: requester, name: nameOf(request.tenant, requester) },
        groups: JSON.parse(groups) as string[], // as `announce` wrote them
        url: urlOf(request.id),
        expiresAt,
        ...(outcome === null ? {} : { outcome }),
      },
    });
  }
}

/** Announcements to webhooks that are not configured any more, which no courier would ever come for. */
export async function forgetOtherTargets(
  store: Pick<Store, "list" | "commit">,
  targets: readonly string[],
): Promise<void> {
  for (let after: string | undefined; ;) {
    const rows = await store.list(announcementTable, {
      index: "key",
      ...(after === undefined ? {} : { after }),
      limit: forgottenAtOnce,
    });
    const others = rows.filter(({ target }) => !targets.includes(target));
    if (others.length > 0)
      await store.commit(others.map(({ id, target }) => remove(announcementTable, { id, target })));
    after = rows.at(-1)?.id;
    if (rows.length < forgottenAtOnce) return;
  }
}

/** A transaction stays short for those who wait behind it. */
const forgottenAtOnce = 256;

const isOutdated = ({ kind }: Announcement, { state, expiresAt }: ApprovalRequest, now: StoreMs): boolean =>
  kind !== "approval.decided" && (state !== "pending" || msOf(expiresAt) <= msOf(now));

/** Between half and all of it, so that what failed together is not tried again together. */
function backoffMs(attempts: number, askedMs: number | null, random: Random): number {
  const fullMs = Math.min(backoffMaxMs, backoffFirstMs * backoffGrowth ** (attempts - 1));
  const jittered = fullMs / 2 + randomBelow(random, Math.ceil(fullMs / 2));
  return Math.max(jittered, Math.min(askedMs ?? 0, backoffMaxMs));
}

const iso = (ms: number): string => new Date(ms).toISOString();
