import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultTenant } from "../identity/index.ts";
import { listOpenCalls } from "../ledger/index.ts";
import type { CallId } from "../ledger/index.ts";
import { profileOf } from "../registry/index.ts";
import type { CallAnswer } from "./call.ts";
import { ApprovalWorld, approveRule, pendingIn, permitAll, step } from "./approving.fixture.ts";
import { codeOf } from "./asking.fixture.ts";
import { resolveUnknown } from "./resolve.ts";

let here: ApprovalWorld;
beforeEach(async () => {
  here = await ApprovalWorld.open();
});
afterEach(() => here.world.stop());

const sent = () => here.world.upstream.sent;
const newestPending = async () => {
  const [open] = await listOpenCalls(here.world.store, defaultTenant, "pending", { limit: 9 });
  const request = open === undefined ? null : await here.world.approvals.ofCall(open.call);
  if (request === null) throw new Error("nothing is pending");
  return { approval: request.id, call: request.call };
};

describe("a call that people are asked about, when the ledger fails", () => {
  test("while it looks how the request stands, is refused as that, and not as a bug of ours", async () => {
    const pending = pendingIn(await here.write());
    const { store } = here.world;
    for (let healthy = 0; healthy < 4; healthy++) {
      for (let i = 0; i < healthy; i++) store.faults.next();
      store.faults.next("disk-full");
      const answer: CallAnswer = await here.write();
      expect(["approval-needed", "ledger-unavailable"]).toContain(codeOf(answer));
      store.faults.heal();
    }
    await here.vote(here.vera, pending);
    expect(codeOf(await here.write())).toBe("result");
  });

  test("after they were asked but before its caller was told, can still run", async () => {
    const elicits = { profile: profileOf({ elicitation: { form: {} } }) };
    for (const [amount, healthy] of [0, 1, 2, 3, 4].entries()) {
      for (const meta of [{}, step(`s${amount}`)]) {
        for (let i = 0; i < healthy; i++) here.world.store.faults.next();
        here.world.store.faults.next("disk-full");
        const first = codeOf(await here.write(amount, meta, elicits));
        expect(["ledger-unavailable", "input-required"]).toContain(first);
        here.world.store.faults.heal();
        await here.write(amount, meta); // told, or asked about now
        const pending = await newestPending();
        expect(await here.vote(here.vera, pending)).toBe("approved");
        expect(codeOf(await here.write(amount, meta))).toBe("result");
        expect(await listOpenCalls(here.world.store, defaultTenant, "pending", { limit: 9 })).toEqual([]);
      }
    }
    expect(sent()).toHaveLength(10);
  });
});

test("a denied call that nobody comes back for ends by itself, with the no on record", async () => {
  const pending = pendingIn(await here.write(1, step()));
  await here.vote(here.vera, pending, "deny");
  here.world.clock.advance(4 * 3_600_000);
  for (let i = 0; i < 200; i++) {
    here.world.clock.advance(5_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await here.world.outcomes()).toEqual(["request:-", "outcome:approval-denied"]);
  expect(await listOpenCalls(here.world.store, defaultTenant, "pending", { limit: 9 })).toEqual([]);
  expect((await here.standing(pending)).request.state).toBe("denied");
  expect(pendingIn(await here.write(1, step())).call).not.toBe(pending.call);
});

test("a step that a person released names what came of it before, also when people are asked about it", async () => {
  const { world } = here;
  world.setPolicies(permitAll);
  world.upstream.answer = () => {
    throw new Error("the connection broke");
  };
  const lost = await here.write(1, step());
  const call = (lost.receipt?.entry.split(":")[0] ?? "") as CallId;
  world.clock.advance(60_000);
  const options = { ...world, leaseMs: 1_000 };
  const change = await resolveUnknown(here.vera, call, "retry", "looked", options);
  if (!change.ok) throw new Error(change.refusal.detail);
  await world.store.commit(change.value.writes);
  world.setPolicies(`${permitAll} ${approveRule("group=finance")}`);
  const pending = pendingIn(await here.write(1, step()));
  const [asked] = await world.ledger.entriesOfCall(defaultTenant, pending.call as CallId);
  expect(asked?.entry.after).toBe(`${call}:2`);
});
