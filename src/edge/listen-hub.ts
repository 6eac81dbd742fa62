import type { CancelTimer, Clock, Result } from "../base/index.ts";
import { invariant, ok, refuse } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { ListKind } from "../registry/index.ts";
import type { Listener, SubscribeOptions } from "./listening.ts";
import { Listening } from "./listening.ts";

export interface ListenHubOptions extends SubscribeOptions {
  readonly clock: Clock;
  readonly keepAliveMs: number;
}

/** Changes come in bursts: a server that returns changes three lists at once. Nobody notices this delay. */
const gatherMs = 50;
/** Listeners told in one turn of the event loop, some 2 ms: calls must not wait for a crowd of listeners. */
const toldPerTurnMax = 200;
const turnPauseMs = 1;
/** Keep-alives are spread over so many turns, for the same reason. */
const slots = 16;

/**
 * Everybody who listens, and what they are told: list changes of their tenant, and updates of the resources they subscribed to.
 * Nothing is told to a listener whose token is not good now. Callers bound how many listeners there are; equal events within a
 * moment become one. Timers run only while somebody listens.
 */
export class ListenHub {
  private readonly options: ListenHubOptions;
  private readonly byTenant = new Map<TenantId, Set<Listening>>();
  private readonly bySlot = Array.from({ length: slots }, () => new Set<Listening>());
  private readonly waiting = new Set<Listening>();
  /** Those that could not take all of it. */
  private readonly behind = new Set<Listening>();
  private cancelTelling: CancelTimer | null = null;
  private cancelSweep: CancelTimer | null = null;
  private nextSlot = 0;
  private sweptSlot = 0;
  private count = 0;
  private isEnding = false;

  constructor(options: ListenHubOptions) {
    this.options = options;
  }

  get size(): number {
    return this.count;
  }

  /** Refused only when we stop. Nothing is told before `begin`; what happens until then is told with it. */
  open(listener: Listener): Result<Listening> {
    if (this.isEnding) return refuse({ code: "shutting-down", detail: "" });
    const listening = new Listening(listener, this.options, this);
    this.nextSlot = (this.nextSlot + 1) % slots;
    this.slotAt(this.nextSlot).add(listening);
    const { tenant } = listener.principal;
    const listenings = this.byTenant.get(tenant) ?? new Set();
    this.byTenant.set(tenant, listenings.add(listening));
    this.count++;
    this.cancelSweep ??= this.sweepLater();
    return ok(listening);
  }

  listChanged(tenant: TenantId, kinds: readonly ListKind[]): void {
    for (const listening of this.byTenant.get(tenant) ?? []) listening.listsChanged(kinds);
  }

  /** Ends all of them, and refuses new ones from now on. */
  endAll(): void {
    this.isEnding = true;
    for (const listenings of this.byTenant.values())
      for (const listening of listenings) listening.end({ kind: "stopping" });
    this.cancelTelling?.();
    this.cancelSweep?.();
  }

  /** For `Listening` alone, like the two that follow. */
  tellSoon(listening: Listening): void {
    this.waiting.add(listening);
    this.cancelTelling ??= this.options.clock.after(gatherMs, () => this.tellWaiting());
  }

  /** With the next turn of the sweep, in about a second. */
  tellLater(listening: Listening): void {
    this.behind.add(listening);
  }

  forget(listening: Listening): void {
    const { tenant } = listening.listener.principal;
    const listenings = this.byTenant.get(tenant);
    listenings?.delete(listening);
    if (listenings?.size === 0) this.byTenant.delete(tenant);
    for (const slot of this.bySlot) if (slot.delete(listening)) break;
    this.waiting.delete(listening);
    this.behind.delete(listening);
    if (--this.count > 0) return;
    this.cancelSweep?.();
    this.cancelSweep = null;
  }

  private slotAt(slot: number): Set<Listening> {
    const listenings = this.bySlot[slot];
    invariant(listenings !== undefined, "slots are counted modulo their number");
    return listenings;
  }

  private tellWaiting(): void {
    this.cancelTelling = null;
    let told = 0;
    for (const listening of this.waiting) {
      if (told++ === toldPerTurnMax) {
        this.cancelTelling = this.options.clock.after(turnPauseMs, () => this.tellWaiting());
        return;
      }
      this.waiting.delete(listening);
      listening.tellPending();
    }
  }

  private sweepLater(): CancelTimer {
    return this.options.clock.after(this.options.keepAliveMs / slots, () => {
      this.cancelSweep = null;
      this.sweptSlot = (this.sweptSlot + 1) % slots;
      for (const listening of this.slotAt(this.sweptSlot)) listening.check();
      for (const listening of this.behind) this.tellSoon(listening);
      this.behind.clear();
      if (this.count > 0) this.cancelSweep ??= this.sweepLater();
    });
  }
}
