import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Principal } from "../identity/index.ts";
import { systemTenant } from "../identity/index.ts";
import type { EntryId } from "../ledger/index.ts";
import { dieRun } from "../ledger/index.ts";
import { systemClock, storeMs } from "../base/index.ts";
import type { Office } from "./office.suite.ts";
import { newestEntries, openOffice } from "./office.suite.ts";

let office: Office;
let runs: Office["runs"];
let agent: Principal;
beforeAll(async () => {
  office = await openOffice();
  ({ runs } = office);
  const found = await office.identities.authenticate(office.agent);
  if (!found.ok) throw new Error(found.refusal.detail);
  agent = found.value;
});
afterAll(() => office.stop());

async function attached(name: string): Promise<string> {
  const run = await runs.attach(agent, name, { deadlineMs: 3_600_000 });
  if (!run.ok) throw new Error(run.refusal.detail);
  return run.value.run.run;
}
const get = async (path: string) => (await office.send(office.admin, "GET", path)).body;

describe("an operator", () => {
  test("sees a run, whose it is, how it stands, and its steps in order", async () => {
    const id = await attached("nightly");
    for (const key of ["b", "a"]) {
      const step = { key, kind: "value", input: null, output: 1, note: null } as const;
      expect(await runs.record(agent, { name: "nightly", attempt: 1 }, step)).toMatchObject({ ok: true });
    }
    const shown = await get(`/runs/${id}`);
    expect(shown).toMatchObject({
      run: id,
      name: "nightly",
      principals: [office.agentId],
      state: "open",
      attempt: 1,
      isAlive: true,
      waitsFor: [],
      endEntry: null,
    });
    expect(shown.deadlineLeftMs).toBeGreaterThan(3_500_000);
    const first = await get(`/runs/${id}/steps?limit=1`);
    const rest = await get(`/runs/${id}/steps?cursor=${first.next}`);
    expect([...first.items, ...rest.items].map((item) => [item.step, item.method, item.state])).toEqual([
      ["b", "steps/value", "final"],
      ["a", "steps/value", "final"],
    ]);
    expect(rest.next).toBeNull();
  });

  test("ends it with a reason, once, and its agent hears of it with its next step", async () => {
    const id = await attached("weekly");
    const cancel = () => office.send(office.admin, "POST", `/runs/${id}/cancel`, { reason: "by mistake" });
    const reply = await cancel();
    expect(reply.status).toBe(200);
    expect(await newestEntries(office, 2)).toEqual(
      expect.arrayContaining(["act admin.run.cancel succeeded", "run runs/cancelled none"]),
    );
    expect((await cancel()).body.error.code).toBe("run-ended");
    const step = { key: "a", kind: "value", input: null, output: 1, note: null } as const;
    const late = await runs.record(agent, { name: "weekly", attempt: 1 }, step);
    expect(late).toMatchObject({ refusal: { code: "run-ended" } });
    const again = await runs.attach(agent, "weekly", { deadlineMs: null });
    const end = again.ok ? await runs.endOf(again.value.run) : null;
    expect(end).toMatchObject({
      state: "cancelled",
      reason: "by mistake",
      receipt: { entry: reply.body.entry },
    });
  });

  test("reads what a step gave by an action of its own, which is on record, and not as an act's payload", async () => {
    const id = await attached("opened");
    const step = { key: "a", kind: "model", input: null, output: { text: "yes" }, note: null } as const;
    await runs.record(agent, { name: "opened", attempt: 1 }, step);
    const { entry } = (await get(`/runs/${id}/steps`)).items[0];
    const opened = await get(`/runs/${id}/entries/${entry}/payload`);
    expect(opened.payload).toMatchObject({ erased: false, result: '{"text":"yes"}' });
    expect(await newestEntries(office, 1)).toEqual(["act admin.run.read-payload succeeded"]);
    const asAct = await office.send(office.admin, "GET", `/audit/entries/${entry}/payload`);
    expect([asAct.status, asAct.body.error.code]).toEqual([409, "conflict"]);
    const other = await attached("other");
    const elsewhere = await office.send(office.admin, "GET", `/runs/${other}/entries/${entry}/payload`);
    expect(elsewhere.status).toBe(404);
    await runs.end(agent, { name: "opened", attempt: 1 }, { state: "finished", result: null });
    await runs.end(agent, { name: "other", attempt: 1 }, { state: "finished", result: null });
  });

  test("finds runs by how they stand, newest first, and no run of another tenant", async () => {
    const open = (await get("/runs?state=open")).items.map((run: { name: string }) => run.name);
    expect(open).toEqual(["nightly"]);
    expect((await get("/runs")).items.map((run: { name: string }) => run.name)).toEqual([
      "other",
      "opened",
      "weekly",
      "nightly",
    ]);
    const id = await attached("hidden");
    const other = await office.keyFor(systemTenant, "person", "stranger", ["admin"]);
    for (const [method, path] of [
      ["GET", `/runs/${id}`],
      ["GET", `/runs/${id}/steps`],
      ["POST", `/runs/${id}/cancel`],
    ] as const) {
      const reply = await office.send(
        other,
        method,
        path,
        method === "POST" ? { reason: "mine" } : undefined,
      );
      expect([reply.status, reply.body.error.code]).toEqual([404, "not-found"]);
    }
    expect((await office.send(other, "GET", "/runs")).body.items).toEqual([]);
  });
});

describe("a run that stands still", () => {
  /** With a hook of this office, and as its waker would leave it. */
  async function dead(name: string): Promise<string> {
    const run = await runs.attach(agent, name, { deadlineMs: null, hook: "starter" });
    if (!run.ok) throw new Error(run.refusal.detail);
    const death = {
      at: systemClock.wall(),
      entry: "evt_none:0" as EntryId,
      until: storeMs(Number.MAX_SAFE_INTEGER),
    };
    const verdict = await office.store.commit([dieRun(run.value.run, "starts-used-up", death)]);
    expect(verdict.verdict).toBe("done");
    return run.value.run.run;
  }
  const post = (who: string, path: string, body?: unknown) => office.send(who, "POST", path, body);

  test("is listed among the dead with its reason, and retried once, which is an act on record", async () => {
    const id = await dead("letter");
    expect((await get("/runs?state=dead")).items).toMatchObject([
      { name: "letter", state: "dead", deadReason: "starts-used-up", isAlive: false, isOrphan: false },
    ]);
    expect((await post(office.admin, `/runs/${id}/cancel`, { reason: "x" })).body.error.code).toBe(
      "conflict",
    );
    expect((await post(office.admin, `/runs/${id}/resume`)).body.error.code).toBe("conflict");
    const both = await Promise.all([1, 2].map(() => post(office.admin, `/runs/${id}/retry`, {})));
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 409]));
    expect(await newestEntries(office, 3)).toEqual(
      expect.arrayContaining(["act admin.run.retry succeeded", "run runs/retried none"]),
    );
    expect(await get(`/runs/${id}`)).toMatchObject({ state: "open", deadReason: null, endEntry: null });
    expect((await get("/runs?state=dead")).items).toEqual([]);
    expect((await post(office.admin, `/runs/${id}/resume`)).status).toBe(200);
    expect(await newestEntries(office, 1)).toEqual(["act admin.run.resume succeeded"]);
  });

  test("is dropped with a reason, and has failed", async () => {
    const id = await dead("lost");
    expect((await post(office.admin, `/runs/${id}/drop`, {})).status).toBe(400);
    const reply = await post(office.admin, `/runs/${id}/drop`, { reason: "paid by hand" });
    expect(reply.status).toBe(200);
    const opened = await get(`/runs/${id}/entries/${reply.body.entry}/payload`);
    expect(opened.payload.note).toMatchObject({ reason: "paid by hand" });
    expect(await get(`/runs/${id}`)).toMatchObject({ state: "failed", endEntry: reply.body.entry });
    expect((await post(office.admin, `/runs/${id}/retry`, {})).body.error.code).toBe("run-ended");
  });

  test("looks missing to people of another tenant, and is nothing for whoever has no right to it", async () => {
    const id = await dead("hidden-letter");
    const other = await office.keyFor(systemTenant, "person", "passer-by", ["admin"]);
    const nobody = await office.keyFor(agent.tenant, "person", "clerk", []);
    for (const [path, body] of [
      ["retry", {}],
      ["drop", { reason: "mine" }],
      ["resume", undefined],
    ] as const) {
      const foreign = await post(other, `/runs/${id}/${path}`, body);
      expect([foreign.status, foreign.body.error.code]).toEqual([404, "not-found"]);
      expect((await post(nobody, `/runs/${id}/${path}`, body)).status).toBe(403);
    }
    expect((await office.send(other, "GET", "/runs?state=dead")).body.items).toEqual([]);
    expect((await get(`/runs/${id}`)).state).toBe("dead");
  });
});
