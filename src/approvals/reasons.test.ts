import { beforeEach, describe, expect, it } from "vitest";
import { ManualClock, seededRandom, storeMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import { openMemoryStore } from "../store/index.ts";
import type { Prover } from "./proof.ts";
import { proverOf } from "./proof.ts";
import { isProvenRequest } from "./proven.ts";
import type { Reasons } from "./reasons.ts";
import { reasonOf } from "./reasons.ts";
import type { ApprovalRequest } from "./request.ts";
import { newRequest } from "./request.ts";

const tenant = "tnt_x" as TenantId;
const rule = {
  policyId: "big",
  group: "finance",
  quorum: 1,
  expiryMs: 60_000,
  self: null,
  endorse: [],
  escalation: [],
};

let prover: Prover;
beforeEach(async () => {
  const clock = new ManualClock();
  const store = openMemoryStore({ clock, tables: keyTables });
  await store.start();
  const keys = new Keys({ store, random: seededRandom(2), clock, kek: new Uint8Array(32) });
  await keys.start();
  prover = await proverOf(keys, tenant);
});

function asked(reasons: Reasons | null): ApprovalRequest {
  const about = {
    tenant,
    call: "call_1" as never,
    intentDigest: "a".repeat(64) as never,
    principals: ["agent/payer" as never],
    subject: "tool/pay",
    endorses: [],
    name: "bank__pay",
    rules: [rule],
    reasons,
    run: null,
    step: null,
    requestEntry: "call_1:a1" as never,
  };
  const sources = { clock: new ManualClock(), random: seededRandom(1) };
  return newRequest(about, storeMs(1_000), prover, sources).request;
}

describe("the reasons of a request", () => {
  it("are one line each, of bounded length, and none where nothing is said", () => {
    expect(reasonOf("  Large\n  payments\tneed two ")).toBe("Large payments need two");
    for (const nothing of [null, "", " \n "]) expect(reasonOf(nothing)).toBeNull();
    expect(reasonOf("x".repeat(500))).toBe("x".repeat(500));
    expect(reasonOf("x".repeat(501))).toBe(`${"x".repeat(499)}…`);
    expect(reasonOf("😀".repeat(300))).toBe(`${"😀".repeat(249)}…`);
  });

  it("leave its proof as the version before makes it", () => {
    const [with_, without] = [asked(["Large payments need two"]), asked(null)];
    expect(with_.proof).toBe(without.proof);
    for (const request of [with_, without]) expect(isProvenRequest(request, prover)).toBe(true);
    // What that version has asked, and read: nothing.
    expect(isProvenRequest({ ...with_, reasons: null, reasonsProof: null }, prover)).toBe(true);
  });

  it("are proven: others, those of another request, or none beside a proof are a changed request", () => {
    const request = asked(["Large payments need two"]);
    for (const change of [
      { reasons: ["It was agreed on the phone"] },
      { reasons: [null] },
      { reasons: null },
      { reasonsProof: null },
      { reasonsProof: request.proof },
      // As many characters as a proof has, and more bytes.
      { reasonsProof: "é".repeat(request.proof.length) },
    ])
      expect(isProvenRequest({ ...request, ...change }, prover), JSON.stringify(change)).toBe(false);
    const other = { ...asked(null), id: "apr_other" as never };
    const { reasons, reasonsProof } = request;
    expect(isProvenRequest({ ...other, reasons, reasonsProof }, prover)).toBe(false);
  });
});
