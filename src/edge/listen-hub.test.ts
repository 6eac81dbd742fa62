import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManualClock, ok, refuse, seededRandom } from "../base/index.ts";
import type { SubscribeInput, Subscribed } from "../calls/index.ts";
import type { Principal, PrincipalId, TenantId } from "../identity/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { ListKind } from "../registry/index.ts";
import { noCapabilities } from "../registry/index.ts";
import { ListenHub } from "./listen-hub.ts";
import type { ListenEnd, ListenEvent, Listener } from "./listening.ts";

const other = "other" as TenantId;
const kinds: readonly ListKind[] = ["tools", "resources", "prompts"];

class Ear implements Listener {
  readonly profile = noCapabilities;
  principal: Principal;
  kinds: readonly ListKind[] = kinds;
  readonly heard: string[] = [];
  readonly ends: ListenEnd[] = [];
  keptAlive = 0;
  isBehind = false;
  isDeaf = false;
  token: "good" | "revoked" | "unknown" | "slow" = "good";
  version = "1";

  constructor(name: string, tenant: TenantId = defaultTenant) {
    const id = `agent/${name}` as PrincipalId;
    this.principal = { id, kind: "agent", name, roles: [], tenant, chain: [], version: "1" };
  }

  readonly authenticate = () => {
    const who = ok({ ...this.principal, version: this.version });
    switch (this.token) {
      case "good":
        return who;
      case "slow":
        return Promise.resolve(who);
      case "revoked":
        return refuse({ code: "principal-disabled" as const, detail: "" });
      case "unknown":
        throw new Error("the store cannot be read");
    }
  };

  tell(event: ListenEvent): boolean {
    if (this.isBehind) return false;
    this.heard.push(event.kind === "list" ? event.list : event.uri);
    return true;
  }

  keepAlive(): boolean {
    this.keptAlive++;
    return !this.isDeaf;
  }

  end(why: ListenEnd): void {
    this.ends.push(why);
  }
}

class Subscriptions {
  readonly open = new Set<SubscribeInput>();
  asked = 0;
  /** Held back until released. */
  held: (() => void)[] | null = null;

  async subscribe(input: SubscribeInput): Promise<Subscribed> {
    this.asked++;
    if (this.held !== null) await new Promise<void>((resolve) => this.held?.push(resolve));
    if (input.uri === "no://") return { kind: "refused", refusal: { code: "denied", detail: "" } };
    if (input.uri === "broken://") throw new Error("c4n4ry");
    this.open.add(input);
    return { kind: "subscribed", cancel: () => void this.open.delete(input) };
  }

  updated(uri: string): void {
    for (const input of this.open) if (input.uri === uri) input.onUpdated(uri);
  }
}

function house() {
  const clock = new ManualClock();
  const calls = new Subscriptions();
  const hub = new ListenHub({ clock, random: seededRandom(1), calls, keepAliveMs: 16_000, urisMax: 3 });
  const listen = (ear: Ear) => {
    const listening = hub.open(ear);
    if (!listening.ok) throw new Error("refused");
    listening.value.begin();
    return listening.value;
  };
  return { clock, calls, hub, listen };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("the hub of those who listen", () => {
  test("tells of changed lists of the own tenant and of the kinds asked for, a burst as one", () => {
    const { clock, hub, listen } = house();
    const [a, tools, stranger] = [new Ear("a"), new Ear("b"), new Ear("a", other)];
    tools.kinds = ["tools"];
    for (const ear of [a, tools, stranger]) listen(ear);
    for (let i = 0; i < 100; i++) hub.listChanged(defaultTenant, ["tools", "prompts"]);
    clock.advance(50);
    expect([a.heard, tools.heard, stranger.heard]).toEqual([["tools", "prompts"], ["tools"], []]);
    hub.listChanged(other, ["resources"]);
    clock.advance(50);
    expect([a.heard.length, stranger.heard]).toEqual([2, ["resources"]]);
  });

  test("tells nothing before the listener has begun, and then what has happened since", () => {
    const { clock, hub } = house();
    const ear = new Ear("a");
    const listening = hub.open(ear);
    hub.listChanged(defaultTenant, ["tools"]);
    clock.advance(1_000);
    expect(ear.heard).toEqual([]);
    if (listening.ok) listening.value.begin();
    clock.advance(50);
    expect(ear.heard).toEqual(["tools"]);
  });

  test("ends a listener whose token is no longer good, instead of telling it, and with the next keep-alive", () => {
    const { clock, hub, listen } = house();
    const [told, quiet] = [new Ear("a"), new Ear("b", other)];
    for (const ear of [told, quiet]) listen(ear);
    told.token = quiet.token = "revoked";
    hub.listChanged(defaultTenant, ["tools"]);
    clock.advance(50);
    expect(told.heard).toEqual([]);
    expect(told.ends).toMatchObject([{ kind: "refused", refusal: { code: "principal-disabled" } }]);
    expect(quiet.ends).toEqual([]);
    clock.advance(16_000);
    expect(quiet.ends).toHaveLength(1);
    expect(hub.size).toBe(0);
  });

  test("tells later what it cannot tell now, because nobody can say whether the token is good", () => {
    const { clock, hub, listen } = house();
    const ear = new Ear("a");
    listen(ear);
    ear.token = "unknown";
    hub.listChanged(defaultTenant, ["tools"]);
    clock.advance(16_000);
    expect([ear.heard, ear.ends]).toEqual([[], []]);
    ear.token = "good";
    clock.advance(16_000);
    expect(ear.heard).toEqual(["tools"]);
  });

  test("waits for a token that is looked up slowly", async () => {
    const { clock, hub, listen } = house();
    const ear = new Ear("a");
    listen(ear);
    ear.token = "slow";
    hub.listChanged(defaultTenant, ["tools"]);
    clock.advance(50);
    await settled();
    expect(ear.heard).toEqual(["tools"]);
  });

  test("keeps everybody alive once per interval, a few at a time", () => {
    const { clock, listen } = house();
    const ears = Array.from({ length: 160 }, (_, i) => new Ear(`e${i}`));
    for (const ear of ears) listen(ear);
    clock.advance(1_000);
    expect(ears.filter((ear) => ear.keptAlive === 1)).toHaveLength(10);
    clock.advance(15_000);
    expect(ears.every((ear) => ear.keptAlive === 1)).toBe(true);
  });

  test("tells a listener that is behind once it has caught up, and each thing once", async () => {
    const { clock, calls, hub, listen } = house();
    const ear = new Ear("a");
    await listen(ear).subscribe("a://");
    ear.isBehind = true;
    hub.listChanged(defaultTenant, ["tools"]);
    calls.updated("a://");
    clock.advance(3_000);
    expect([ear.heard, ear.ends]).toEqual([[], []]);
    ear.isBehind = false;
    clock.advance(3_000);
    expect(ear.heard).toEqual(["tools", "a://"]);
  });

  test("ends a listener that does not read at all, and one for which too much has piled up", async () => {
    const { clock, calls, listen } = house();
    const [deaf, flooded] = [new Ear("a"), new Ear("b", other)];
    listen(deaf);
    deaf.isDeaf = true;
    await listen(flooded).subscribe("a://");
    flooded.isBehind = true;
    const [input] = calls.open;
    for (let i = 0; i < 1_000; i++) input?.onUpdated(`a://${i}`);
    expect(flooded.ends).toEqual([{ kind: "behind" }]);
    clock.advance(16_000);
    expect(deaf.ends).toEqual([{ kind: "behind" }]);
  });

  test("tells a crowd in many turns, so that other work comes in between", () => {
    const { clock, hub, listen } = house();
    const ears = Array.from({ length: 1_000 }, (_, i) => new Ear(`e${i}`));
    for (const ear of ears) listen(ear);
    hub.listChanged(defaultTenant, ["tools"]);
    clock.advance(50);
    expect(ears.filter((ear) => ear.heard.length === 1)).toHaveLength(200);
    clock.advance(10);
    expect(ears.every((ear) => ear.heard.length === 1)).toBe(true);
  });

  test("ends all when we stop, and takes nobody afterwards", () => {
    const { hub, listen } = house();
    const ear = new Ear("a");
    listen(ear);
    hub.endAll();
    expect(ear.ends).toEqual([{ kind: "stopping" }]);
    expect(hub.open(new Ear("b"))).toMatchObject({ ok: false, refusal: { code: "shutting-down" } });
  });
});

describe("subscriptions to resources", () => {
  test("are asked for through the governed line, told once per moment, and given back at the end", async () => {
    const { clock, calls, listen } = house();
    const ear = new Ear("a");
    const listening = listen(ear);
    expect(await listening.subscribe("a://", {})).toEqual(ok(null));
    expect(await listening.subscribe("a://", {})).toEqual(ok(null));
    expect(calls.asked).toBe(1);
    for (let i = 0; i < 100; i++) calls.updated("a://");
    clock.advance(50);
    expect(ear.heard).toEqual(["a://"]);
    listening.close();
    expect(calls.open.size).toBe(0);
  });

  test("that are refused or fail are not there, and take no place", async () => {
    const { calls, listen } = house();
    const listening = listen(new Ear("a"));
    expect(await listening.subscribe("no://")).toMatchObject({ ok: false, refusal: { code: "denied" } });
    expect(await listening.subscribe("broken://")).toMatchObject({
      ok: false,
      refusal: { code: "internal" },
    });
    for (const uri of ["a://", "b://", "c://"])
      expect(await listening.subscribe(uri)).toMatchObject({ ok: true });
    expect(await listening.subscribe("d://")).toMatchObject({
      ok: false,
      refusal: { code: "too-many-calls" },
    });
    expect(calls.open.size).toBe(3);
    expect(listening.unsubscribe("a://")).toBe(true);
    expect(listening.unsubscribe("a://")).toBe(false);
    expect(await listening.subscribe("d://")).toMatchObject({ ok: true });
  });

  test("granted after the listener has gone, or has changed its mind, are given back at once", async () => {
    const { calls, listen } = house();
    calls.held = [];
    const [gone, fickle] = [listen(new Ear("a")), listen(new Ear("b"))];
    const asked = [gone.subscribe("a://"), fickle.subscribe("a://")];
    gone.close();
    fickle.unsubscribe("a://");
    for (const release of calls.held) release();
    expect(await Promise.all(asked)).toMatchObject([{ ok: false }, { ok: false }]);
    expect(calls.open.size).toBe(0);
  });

  test("of somebody who is another one now are ended, to be asked for anew", async () => {
    const { clock, calls, hub, listen } = house();
    const [subscribed, only] = [new Ear("a"), new Ear("b")];
    await listen(subscribed).subscribe("a://");
    listen(only);
    subscribed.version = only.version = "2";
    hub.listChanged(defaultTenant, ["tools"]);
    clock.advance(50);
    expect(subscribed.ends).toEqual([{ kind: "changed" }]);
    expect(only.heard).toEqual(["tools"]);
    expect(calls.open.size).toBe(0);
  });

  test("a server that names a thousand others does not fill the memory", async () => {
    const { clock, calls, listen } = house();
    const ear = new Ear("a");
    await listen(ear).subscribe("a://");
    const [input] = calls.open;
    for (let i = 0; i < 1_000; i++) input?.onUpdated(`a://${i}`);
    clock.advance(50);
    expect(new Set(ear.heard).size).toBe(1_000);
  });
});

test("whatever two tenants do in whatever order, each hears of its own and nothing is left", async () => {
  const step = fc.record({
    tenant: fc.constantFrom(defaultTenant, other),
    ear: fc.integer({ min: 0, max: 3 }),
    act: fc.constantFrom("listen", "close", "subscribe", "unsubscribe", "change", "update", "revoke", "wait"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, calls, hub } = house();
      const ears = new Map<string, { ear: Ear; listening: ReturnType<typeof open> | null }>();
      const open = (ear: Ear) => {
        const listening = hub.open(ear);
        if (!listening.ok) throw new Error("refused");
        listening.value.begin();
        return listening.value;
      };
      for (const { tenant, ear: number, act } of steps) {
        const key = `${tenant}/${number}`;
        const place = ears.get(key) ?? { ear: new Ear(key, tenant), listening: null };
        ears.set(key, place);
        if (act === "listen" && place.listening?.isOpen !== true && place.ear.token === "good")
          place.listening = open(place.ear);
        else if (act === "close") place.listening?.close();
        else if (act === "subscribe") await place.listening?.subscribe(`${tenant}://`);
        else if (act === "unsubscribe") place.listening?.unsubscribe(`${tenant}://`);
        else if (act === "change") hub.listChanged(tenant, ["tools"]);
        else if (act === "update") calls.updated(`${tenant}://`);
        else if (act === "revoke") place.ear.token = "revoked";
        else if (act === "wait") clock.advance(16_000);
      }
      clock.advance(16_000);
      for (const { ear } of ears.values()) {
        expect(ear.ends.length).toBeLessThanOrEqual(1);
        for (const heard of ear.heard) expect(["tools", `${ear.principal.tenant}://`]).toContain(heard);
      }
      for (const { listening } of ears.values()) listening?.close();
      expect([hub.size, calls.open.size]).toEqual([0, 0]);
    }),
    { numRuns: 200 },
  );
});
