import type { Refusal } from "../../contract/index.ts";
import type { Clock, Random, Result } from "../base/index.ts";
import { faultFrom, newId, ok, refuse } from "../base/index.ts";
import type { CallInput, Calls } from "../calls/index.ts";
import type { Principal } from "../identity/index.ts";
import type { ListKind, Profile } from "../registry/index.ts";
import type { JsonObject } from "./envelope.ts";

/** Whoever wants to hear of changes: a stream of the newer era, a session of the older one. Called by the hub alone. */
export interface Listener {
  readonly principal: Principal;
  readonly profile: Profile;
  /** Asks again who listens: before anything is told, and with every keep-alive. */
  readonly authenticate: CallInput["authenticate"];
  readonly kinds: readonly ListKind[];
  /** False = it is behind and has to be told later. */
  tell(event: ListenEvent): boolean;
  /** Called every `keepAliveMs`. False = it does not read at all; the hub ends it. */
  keepAlive(): boolean;
  /** The last thing it hears, once, unless it closed by itself. */
  end(why: ListenEnd): void;
}

export type ListenEvent =
  | { readonly kind: "list"; readonly list: ListKind }
  | { readonly kind: "resource"; readonly uri: string };

/**
 *  refused   its token is no longer good
 *  changed   who it is has changed: what it subscribed to must be asked for anew
 *  behind    it does not read
 *  nothing   nothing will ever come: none of what it asked for was granted
 *  stopping  we stop
 */
export type ListenEnd =
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "changed" }
  | { readonly kind: "behind" }
  | { readonly kind: "nothing" }
  | { readonly kind: "stopping" };

export interface SubscribeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly calls: Pick<Calls, "subscribe">;
  readonly urisMax: number;
}

interface Hub {
  tellSoon(listening: Listening): void;
  tellLater(listening: Listening): void;
  forget(listening: Listening): void;
}

/** URIs whose updates wait to be told to one listener; beyond that they are told at once, and beyond twice that it is ended. */
const pendingUrisMax = 256;

/** One listener's place in the hub: what it has not been told yet, and what it subscribed to. */
export class Listening {
  readonly listener: Listener;
  private readonly options: SubscribeOptions;
  private readonly hub: Hub;
  private pendingLists: Set<ListKind> | null = null;
  private pendingUris: Set<string> | null = null;
  private subscriptions: Map<string, () => void> | null = null;
  private hasBegun = false;
  private closed = false;

  constructor(listener: Listener, options: SubscribeOptions, hub: Hub) {
    this.listener = listener;
    this.options = options;
    this.hub = hub;
  }

  /** False = it has ended or was closed. */
  get isOpen(): boolean {
    return !this.closed;
  }

  /** From now on the listener may be told. */
  begin(): void {
    this.hasBegun = true;
    if (this.pendingLists !== null || this.pendingUris !== null) this.hub.tellSoon(this);
  }

  /**
   * Subscribes to one resource, through the governed line; `meta` is the request's. Subscribing again to the same one changes
   * nothing. A subscription that is granted after the listener has gone is given back at once.
   */
  async subscribe(uri: string, meta: JsonObject = noMeta): Promise<Result<null>> {
    const { clock, random, calls, urisMax } = this.options;
    if (!this.isOpen) return gone;
    this.subscriptions ??= new Map();
    const { subscriptions, listener } = this;
    if (subscriptions.has(uri)) return ok(null);
    if (subscriptions.size >= urisMax)
      return refuse({ code: "too-many-calls", detail: `At most ${urisMax} resources may be subscribed to.` });
    // The place is taken before anything is awaited, so that asking twice at once subscribes once, and the bound holds.
    let isWanted = true;
    subscriptions.set(uri, () => (isWanted = false));
    const free = () => {
      if (isWanted) subscriptions.delete(uri);
    };
    try {
      const answer = await calls.subscribe({
        requestId: newId("req", clock.wall(), random),
        authenticate: listener.authenticate,
        uri,
        meta,
        profile: listener.profile,
        onUpdated: (updated) => {
          if (isWanted) this.resourceUpdated(updated);
        },
      });
      if (answer.kind === "refused") {
        free();
        return refuse(answer.refusal);
      }
      if (!isWanted || !this.isOpen) {
        answer.cancel();
        return gone;
      }
      subscriptions.set(uri, () => {
        isWanted = false;
        answer.cancel();
      });
      return ok(null);
    } catch (thrown) {
      free();
      return refuse({ code: faultFrom(thrown, "subscribing to a resource").code, detail: "" });
    }
  }

  /** False = it was not subscribed to. */
  unsubscribe(uri: string): boolean {
    const cancel = this.subscriptions?.get(uri);
    if (cancel === undefined) return false;
    this.subscriptions?.delete(uri);
    this.pendingUris?.delete(uri);
    cancel();
    return true;
  }

  /** The listener has gone by itself. Closing twice does nothing. */
  close(): void {
    if (!this.isOpen) return;
    this.closed = true;
    this.hub.forget(this);
    for (const cancel of this.subscriptions?.values() ?? []) cancel();
    this.subscriptions = null;
    this.pendingLists = null;
    this.pendingUris = null;
  }

  /** Closes it and says why. What follows is for the hub alone. */
  end(why: ListenEnd): void {
    if (!this.isOpen) return;
    this.close();
    this.listener.end(why);
  }

  listsChanged(kinds: readonly ListKind[]): void {
    const wanted = kinds.filter((kind) => this.listener.kinds.includes(kind));
    if (wanted.length === 0) return;
    this.pendingLists ??= new Set();
    for (const kind of wanted) this.pendingLists.add(kind);
    if (this.hasBegun) this.hub.tellSoon(this);
  }

  /** Tells what is pending, if the listener's token is still good. */
  tellPending(): void {
    this.ifStillGood(() => this.tellNow());
  }

  check(): void {
    this.ifStillGood(() => {
      if (!this.listener.keepAlive()) this.end({ kind: "behind" });
      else if (this.hasBegun) this.tellNow();
    });
  }

  /** What the listener cannot take yet stays pending. */
  private tellNow(): void {
    for (const list of this.pendingLists ?? []) {
      if (!this.listener.tell({ kind: "list", list })) return this.hub.tellLater(this);
      this.pendingLists?.delete(list);
    }
    for (const uri of this.pendingUris ?? []) {
      if (!this.listener.tell({ kind: "resource", uri })) return this.hub.tellLater(this);
      this.pendingUris?.delete(uri);
    }
    // Few listeners have anything pending at any time: what is empty is not kept.
    this.pendingLists = this.pendingUris = null;
  }

  private resourceUpdated(uri: string): void {
    if (!this.isOpen) return;
    const pending = (this.pendingUris ??= new Set());
    pending.add(uri);
    if (!this.hasBegun) {
      // Nobody has been told yet that it is subscribed, so nothing is promised.
      if (pending.size > pendingUrisMax) pending.delete(uri);
    } else if (pending.size < pendingUrisMax) this.hub.tellSoon(this);
    else if (pending.size < 2 * pendingUrisMax) this.tellPending();
    else this.end({ kind: "behind" });
  }

  /** When nobody can say now whether the token is good, nothing is told; the next event or keep-alive asks again. */
  private ifStillGood(then: () => void): void {
    const proceed = (who: Result<Principal>) => {
      if (!this.isOpen) return;
      if (!who.ok) this.end({ kind: "refused", refusal: who.refusal });
      else if (this.hasSubscriptions && who.value.version !== this.listener.principal.version)
        this.end({ kind: "changed" });
      else then();
    };
    try {
      const who = this.listener.authenticate();
      if (who instanceof Promise) who.then(proceed).catch(() => undefined);
      else proceed(who);
    } catch {
      // As above.
    }
  }

  private get hasSubscriptions(): boolean {
    return this.subscriptions !== null && this.subscriptions.size > 0;
  }
}

const noMeta: JsonObject = {};
const gone: Result<never> = refuse<Refusal>({ code: "cancelled", detail: "" });
