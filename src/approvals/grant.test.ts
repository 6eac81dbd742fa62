import { expect, test } from "vitest";
import { ManualClock, canonicalJson, seededRandom, storeMs, wallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import { openMemoryStore } from "../store/index.ts";
import { isGranted, signGrant } from "./grant.ts";
import { proverOf } from "./proof.ts";
import type { ApprovalRequest, ApprovalVote } from "./request.ts";
import { newRequest } from "./request.ts";

const tenant = "tnt_x" as TenantId;
const rule = {
  policyId: "big",
  group: "finance",
  quorum: 1,
  expiryMs: 60_000,
  self: null,
  endorse: ["/to"],
  escalation: [{ group: "board", afterMs: 30_000 }],
};
const vote: ApprovalVote = {
  person: "person/vera" as never,
  vote: "approve",
  rules: [0],
  entry: "act_1:0" as never,
  at: wallMs(2_000),
  proof: "",
};

async function asked(): Promise<{ keys: Keys; request: ApprovalRequest }> {
  const [clock, random] = [new ManualClock(), seededRandom(2)];
  const store = openMemoryStore({ clock, tables: keyTables });
  await store.start();
  const keys = new Keys({ store, random, clock, kek: new Uint8Array(32) });
  await keys.start();
  const about = {
    tenant,
    call: "call_1" as never,
    intentDigest: "a".repeat(64) as never,
    principals: ["agent/payer" as never],
    subject: "tool/pay",
    endorses: [{ policyId: "big", digest: "b" }],
    name: "bank__pay",
    rules: [rule],
    reasons: null,
    run: "run_1" as never,
    step: "pay",
    requestEntry: "call_1:a1" as never,
  };
  const prover = await proverOf(keys, tenant);
  return { keys, request: newRequest(about, storeMs(1_000), prover, { clock, random }).request };
}

test("what is signed is canonical JSON of who, what and whose votes", async () => {
  const { keys, request } = await asked();
  const { text } = JSON.parse(signGrant(request, [vote], keys)) as { text: string };
  const said = JSON.parse(text) as unknown;
  expect(canonicalJson(said)).toBe(text);
  expect(said).toEqual({
    v: 1,
    id: request.id,
    tenant,
    call: "call_1",
    intent: request.intentDigest,
    nonce: request.nonce,
    expiresAt: 61_000,
    rules: [rule],
    run: "run_1",
    endorses: [{ policyId: "big", digest: "b" }],
    votes: [{ person: "person/vera", entry: "act_1:0", rules: [0] }],
  });
});

test("a grant is good for the request it was signed for, and for none that differs in anything", async () => {
  const { keys, request } = await asked();
  const grant = signGrant(request, [vote], keys);
  expect(isGranted({ ...request, grant }, keys)).toBe(true);
  const changes: Partial<ApprovalRequest>[] = [
    { id: "apr_2" as never },
    { tenant: "tnt_y" as TenantId },
    { call: "call_2" as never },
    { intentDigest: "c".repeat(64) as never },
    { nonce: "n" },
    { expiresAt: storeMs(61_001) },
    { rules: [{ ...rule, quorum: 2 }] },
    { rules: [rule, rule] },
    { run: null },
    { endorses: [] },
  ];
  for (const change of changes)
    expect(isGranted({ ...request, ...change, grant }, keys), JSON.stringify(change)).toBe(false);
  expect(isGranted({ ...request, grant: null }, keys)).toBe(false);
  expect(() => signGrant(request, [], keys)).toThrow("nobody has said yes");
});

test("a grant is good wherever the key is this installation's, and nowhere else", async () => {
  const { keys, request } = await asked();
  const grant = signGrant(request, [vote], keys);
  const { raw, spkiDer, kid } = keys.publicKey("approval");
  // Another node has the same key, and has not signed it.
  const elsewhere = { publicKey: () => ({ raw, spkiDer, kid }) };
  expect(isGranted({ ...request, id: "apr_2" as never, grant }, elsewhere)).toBe(false);
  for (let time = 0; time < 2; time++) {
    expect(isGranted({ ...request, grant }, elsewhere)).toBe(true);
    expect(isGranted({ ...request, nonce: "n", grant }, elsewhere)).toBe(false);
    expect(isGranted({ ...request, grant: grant.replace("vera", "carl") }, elsewhere)).toBe(false);
    expect(isGranted({ ...request, grant: "{}" }, elsewhere)).toBe(false);
  }
  expect(isGranted({ ...request, grant }, { publicKey: () => keys.publicKey("log") })).toBe(false);
});
