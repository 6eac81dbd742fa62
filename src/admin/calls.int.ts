import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Sha256Hex } from "../base/index.ts";
import { newId, msOf, ok, storeMs, systemClock, systemRandom } from "../base/index.ts";
import type { PrincipalId } from "../identity/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { CallId, Entry, EntryId, OpenCall, Outcome } from "../ledger/index.ts";
import {
  entryWrite,
  markUnknown,
  openCall,
  sealPayload,
  unpacked,
  verifyExport,
  verifyReceipt,
} from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { Office, Reply } from "./office.suite.ts";
import { eventually, newestEntries, openOffice } from "./office.suite.ts";

let office: Office;
beforeAll(async () => {
  office = await openOffice();
});
afterAll(() => office.stop());

const get = (path: string) => office.send(office.admin, "GET", path);
const errorOf = ({ status, body }: Reply) => [status, body.error?.code];
const holder = { node: "local", fence: 1 };

interface Recorded {
  readonly tool?: string;
  readonly principal?: string;
  readonly dispatchByMs?: number;
  readonly class?: OpenCall["class"];
}

/** Writes a call into the ledger the way the line does: an intent, and an outcome unless it is still open. */
async function record(outcome: Outcome | null, about: Recorded = {}): Promise<CallId> {
  const call = newId("call", systemClock.wall(), systemRandom) as CallId;
  const principal = (about.principal ?? office.agentId) as PrincipalId;
  const subject = about.tool ?? "srv_1/pay";
  const stepDigest = "1".repeat(64) as Sha256Hex;
  const entry: Entry = {
    id: `${call}:0` as EntryId,
    kind: "intent",
    tenant: defaultTenant,
    at: systemClock.wall(),
    call,
    run: null,
    step: null,
    principals: [principal],
    method: "tools/call",
    subject,
    versions: {},
    decision: { effect: "allow", policies: ["p"] },
    intentDigest: null,
    stepDigest,
    outcome: null,
    commitments: {},
    after: null,
  };
  const key = await office.keys.scopeKey(`day/default/${principal}/2026-01-01`);
  const sealed = sealPayload(office.keys, key, entry.id, { arguments: '{"amount":7}' });
  const writes: Write[] = [entryWrite(entry, sealed).write];
  if (outcome !== null) {
    const id = `${call}:1` as EntryId;
    writes.push(entryWrite({ ...entry, id, kind: "outcome", outcome, after: entry.id }, null).write);
  }
  if (outcome === null || outcome.kind === "unknown") {
    const dispatchBy = storeMs(msOf(await office.store.now()) + (about.dispatchByMs ?? 0));
    const row = {
      call,
      tenant: defaultTenant,
      principal,
      subject,
      class: about.class ?? "effect",
      ...holder,
    };
    const rest = {
      state: "dispatched" as const,
      dispatchBy,
      intentEntry: entry.id,
      stepDigest,
      claim: null,
      same: null,
    };
    await office.store.commit([openCall({ ...row, ...rest })]);
    if (outcome !== null) writes.push(markUnknown(call, holder));
  }
  await office.store.commit(writes);
  office.ledger.noted(defaultTenant);
  return call;
}

const callsOf = ({ body }: Reply): string[] => body.items.map((each: { call: string }) => each.call);

describe("calls", () => {
  const ids: Record<string, CallId> = {};
  beforeAll(async () => {
    ids["good"] = await record({ kind: "succeeded", isError: false });
    ids["bad"] = await record({ kind: "failed", code: "tool-unavailable" }, { tool: "srv_1/read" });
    ids["refused"] = await record({ kind: "refused", code: "denied" }, { principal: "agent/agt_other" });
    ids["lost"] = await record({ kind: "unknown", code: "upstream-lost" }, { dispatchByMs: -60_000 });
    ids["fresh"] = await record({ kind: "unknown", code: "upstream-lost" }, { dispatchByMs: 60_000 });
    ids["open"] = await record(null, { dispatchByMs: 5_000 });
  });

  test("that have ended are listed newest first, and filtered by outcome, agent and tool", async () => {
    const ended = [ids["fresh"], ids["lost"], ids["refused"], ids["bad"], ids["good"]];
    expect(callsOf(await get("/calls"))).toEqual(ended);
    expect(callsOf(await get("/calls?outcome=failed"))).toEqual([ids["bad"]]);
    expect(callsOf(await get("/calls?agent=agent/agt_other"))).toEqual([ids["refused"]]);
    expect(callsOf(await get("/calls?agent=nobody&outcome=succeeded"))).toEqual([ids["good"]]);
    expect(callsOf(await get("/calls?tool=srv_1/read"))).toEqual([ids["bad"]]);
    expect(errorOf(await get("/calls?outcome=lucky"))).toEqual([400, "invalid-params"]);
  });

  test("pages go on where the page before ended", async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Reply = await get(`/calls?limit=2${cursor === null ? "" : `&cursor=${cursor}`}`);
      seen.push(...callsOf(page));
      cursor = page.body.next;
    } while (cursor !== null);
    expect(seen).toEqual(callsOf(await get("/calls?limit=500")));
  });

  test("that are open or unknown are listed with how long they may still be sent", async () => {
    const open = await get("/calls/open");
    expect(callsOf(open)).toEqual([ids["open"]]);
    expect(open.body.items[0].dispatchEndsInMs).toBeGreaterThan(0);
    const unknown = (await get("/calls/unknown")).body.items;
    // By id: two of one millisecond stand in any order.
    const waits = unknown.map((each: { call: string; retryPossibleInMs: number }) => [
      each.call,
      each.retryPossibleInMs > 0,
    ]);
    expect(Object.fromEntries(waits)).toEqual({ [`${ids["lost"]}`]: false, [`${ids["fresh"]}`]: true });
    expect((await get("/calls/open?state=waiting")).body.items).toEqual([]);
  });

  test("that are unknown are listed with what will settle them, and what has been tried", async () => {
    const verified = await record(
      { kind: "unknown", code: "upstream-lost" },
      { class: "verifiable", principal: "agent/agt_verified" },
    );
    office.trying.set(verified, { tries: 2, last: "it answered with an error", nextInMs: 1_200.5 });
    const items = (await get("/calls/unknown")).body.items as {
      call: string;
      way: string;
      trying: unknown;
    }[];
    const ways = Object.fromEntries(items.map(({ call, way, trying }) => [call, [way, trying]]));
    expect(ways[ids["lost"] ?? ""]).toEqual(["person", null]);
    const trying = { tries: 2, last: "it answered with an error", nextInMs: 1_201 };
    expect(ways[verified]).toEqual(["verify-tool", trying]);
    await office.send(office.admin, "POST", `/calls/${verified}/resolve`, {
      resolution: "done",
      reason: "seen",
    });
    expect((await get(`/calls/${verified}`)).body).toMatchObject({
      open: null,
      resolved: { by: "person", call: null },
    });
  });

  test("one is shown with its entries, without what is sealed", async () => {
    const shown = await get(`/calls/${ids["good"]}`);
    expect(shown.body).toMatchObject({ open: null, outcome: { kind: "succeeded", isError: false } });
    expect(shown.body.entries.map((each: { kind: string }) => each.kind)).toEqual(["intent", "outcome"]);
    expect(shown.text).not.toContain("amount");
    expect(errorOf(await get(`/calls/call_${"0".repeat(26)}`))).toEqual([404, "not-found"]);
    expect(errorOf(await get("/calls/nonsense"))).toEqual([400, "invalid-params"]);
  });

  test("what one was about is told by the names of today, and by its id where nothing of it is left", async () => {
    const transport = { kind: "http", url: "https://bank.example/mcp", headers: {} };
    const added = await office.send(office.admin, "POST", "/servers", { name: "bank", transport });
    const server = office.registry.serverNamed(defaultTenant, "bank");
    if (server === null) throw new Error(added.text);
    const offered = await office.registry.offer(server.id, [
      { name: "pay", inputSchema: { type: "object" } },
    ]);
    if (!offered.ok) throw new Error(offered.refusal.detail);
    for (const change of offered.value.changes) await office.commit(ok(change));
    const named = async (tool: string) => {
      const call = await record(null, { tool, principal: "agent/agt_naming" });
      const { open, entries } = (await get(`/calls/${call}`)).body;
      const listed = (await get(`/audit/entries?call=${call}`)).body.items;
      return [open.name, entries[0].name, listed[0].name];
    };
    const all = (name: string | null) => [name, name, name];
    expect(await named(`${server.id}/pay`)).toEqual(all("bank__pay"));
    expect(await named(`${server.id}/gone`)).toEqual(all("bank/gone"));
    expect(await named("srv_0/pay")).toEqual(all(null));
    const act = await get(`/audit/entries/${encodeURIComponent(added.body.receipt.entry)}`);
    expect(act.body.entry).toMatchObject({ subject: server.id, name: "bank" });
  });

  test("a payload is only opened for whom policy allows it, and that it was is on record", async () => {
    const path = `/calls/${ids["good"]}/payload`;
    expect(errorOf(await office.send(office.agent, "GET", path))).toEqual([403, "forbidden"]);
    const opened = await get(path);
    expect(opened.body.items).toEqual([
      { entry: `${ids["good"]}:0`, erased: false, arguments: '{"amount":7}' },
    ]);
    expect(await newestEntries(office, 1)).toEqual(["act admin.call.read-payload succeeded"]);
    // Not by the back door either: the entry's own payload is another action.
    const back = await get(`/audit/entries/${encodeURIComponent(`${ids["good"]}:0`)}/payload`);
    expect(errorOf(back)).toEqual([409, "conflict"]);
  });

  test("an unknown one is settled once, and a retry not before it can no longer be sent", async () => {
    const resolve = (call: string | undefined, resolution: string) =>
      office.send(office.admin, "POST", `/calls/${call}/resolve`, { resolution, reason: "the books say so" });
    expect(errorOf(await resolve(ids["fresh"], "retry"))).toEqual([409, "conflict"]);
    expect(errorOf(await resolve(ids["open"], "done"))).toEqual([409, "conflict"]);
    const done = await resolve(ids["lost"], "retry");
    expect(done.body.entry).toBe(`${ids["lost"]}:2`);
    expect(errorOf(await resolve(ids["lost"], "done"))).toEqual([404, "not-found"]);
    const listed = (await get("/calls?outcome=unknown")).body.items;
    const settled = listed.map((each: { call: string; resolved: unknown }) => [each.call, each.resolved]);
    expect(settled.slice(-2)).toEqual([
      [ids["fresh"], null],
      [ids["lost"], { by: "person", entry: `${ids["lost"]}:2`, call: null }],
    ]);
  });
});

describe("audit", () => {
  test("the receipt of an act proves it offline with the published key", async () => {
    const act = await office.send(office.admin, "PUT", "/vault/proof", { value: "x" });
    const { entry } = act.body.receipt;
    const receipt = await eventually(async () => {
      const reply = await get(`/receipts/${encodeURIComponent(entry)}`);
      if (reply.status === 409) expect(reply.body.error.code).toBe("receipt-pending");
      return reply.status === 200 ? reply : null;
    });
    expect(receipt.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    const verifierKey = (await get("/audit/key")).text;
    const proven = verifyReceipt(receipt.text, { verifierKey });
    expect(proven).toMatchObject({ ok: true, value: { entry: { id: entry, method: "admin.vault.put" } } });
    expect((await get("/audit/checkpoint")).text).toContain("test/default");
    const shown = await get(`/audit/entries/${encodeURIComponent(entry)}`);
    expect(proven.ok && proven.value.leaf).toBe(shown.body.leaf);
    expect(shown.body.entry.leafHash).toBe(act.body.receipt.leaf);
  });

  test("the log is exported as an archive that proves itself; its payloads only on record", async () => {
    const { entry } = (await office.send(office.admin, "PUT", "/vault/exported", { value: "x" })).body
      .receipt;
    await eventually(async () =>
      (await get(`/receipts/${encodeURIComponent(entry)}`)).status === 200 ? true : null,
    );
    const verifierKey = (await get("/audit/key")).text;
    const asked = (method: string) =>
      fetch(`${office.url}/api/v1/audit/export`, {
        method,
        headers: { Authorization: `Bearer ${office.admin}`, "Content-Type": "application/json" },
        ...(method === "POST" ? { body: "{}" } : {}),
      });
    for (const method of ["GET", "POST"]) {
      const { body } = await asked(method);
      if (body === null) throw new Error("no archive");
      const proven = await verifyExport(unpacked(body), { verifierKey, remembered: [], witnessKeys: [] });
      expect(proven).toMatchObject({ ok: true, value: { origin: "test/default" } });
    }
    const [act] = (await get("/audit/entries?kind=act&limit=1")).body.items;
    expect(act).toMatchObject({ method: "admin.audit.export-payloads" });
    const note = (await get("/audit/checkpoint")).text;
    const size = Number(note.split("\n")[1]);
    const { proof } = (await get(`/audit/consistency?old=1&new=${size}`)).body;
    expect(proof.length).toBeGreaterThan(0);
    expect(errorOf(await get(`/audit/consistency?old=1&new=${size + 1_000}`))[1]).toBe("invalid-params");
    expect(errorOf(await get("/audit/export?since=yesterday"))[1]).toBe("invalid-params");
    expect((await get("/audit/witnesses")).body).toEqual({ witnesses: [] });
    expect(errorOf(await get(`/receipts/${encodeURIComponent(entry)}?witnessed=true`))).toEqual([
      409,
      "receipt-pending",
    ]);
  });

  test("entries are listed by kind", async () => {
    const acts = (await get("/audit/entries?kind=act&limit=3")).body.items;
    expect(acts).toHaveLength(3);
    expect(acts.every((each: { kind: string }) => each.kind === "act")).toBe(true);
    expect(errorOf(await get("/audit/entries/act_nobody:0"))).toEqual([404, "not-found"]);
    expect(errorOf(await get("/receipts/act_nobody:0"))).toEqual([404, "not-found"]);
  });
});
