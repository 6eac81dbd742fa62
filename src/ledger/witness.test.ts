import { describe, expect, it } from "vitest";
import { ManualClock } from "../base/index.ts";
import { MemoryDatabase } from "../store/memory/index.ts";
import { cosignatureIn, parseWitnessKey } from "./cosignature.ts";
import { acme, openedLedger, sampleEntry, settled, tables } from "./ledger.fixture.ts";
import { parseVerifierKey } from "./note.ts";
import { verifyReceipt } from "./receipt.ts";
import { cosignatureTable } from "./tables.ts";
import { SmallWitness } from "./witness.fixture.ts";
import type { Witness } from "./witness.ts";

const second = 1_767_225_600;

function witnessed(witness: SmallWitness, post?: Witness["post"]): Witness {
  const key = parseWitnessKey(witness.keyText);
  if (key === null) throw new Error("no key");
  return {
    name: "outside",
    key,
    post: post ?? (async (body) => await Promise.resolve(witness.addCheckpoint(body, second))),
  };
}

/** A ledger that its witness knows, before anything is in it. */
async function opened(
  witness: SmallWitness,
  options: { database?: MemoryDatabase; post?: Witness["post"] } = {},
) {
  const clock = new ManualClock();
  const { post, ...rest } = options;
  const made = await openedLedger({ ...rest, clock, witnesses: [witnessed(witness, post)] });
  const log = parseVerifierKey(made.ledger.verifierKey(acme));
  if (log !== null) witness.knows(log);
  const coveredTo = () => witness.seen.get(made.ledger.origin(acme))?.size ?? 0;
  const rounds = (isSo: () => boolean | Promise<boolean>) =>
    settled(async () => {
      if (await isSo()) return true;
      clock.advance(50);
      return false;
    });
  return { ...made, coveredTo, rounds };
}

const entries = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => sampleEntry(from + i, "act"));

describe("a log with a witness", () => {
  it("has each newest checkpoint co-signed, growing, and the word is kept and shown", async () => {
    const witness = new SmallWitness("witness.example/w1");
    const { ledger, write, coveredTo, rounds, alerts } = await opened(witness);
    await write(...entries(0, 5));
    await ledger.start();
    ledger.noted(acme);
    await rounds(() => coveredTo() === 5);
    await write(...entries(5, 300));
    ledger.noted(acme);
    await rounds(() => coveredTo() === 300);
    expect(witness.statuses.every((status) => status === 200)).toBe(true);
    const [key] = [parseWitnessKey(witness.keyText)];
    await rounds(async () => cosignatureIn((await ledger.checkpoint(acme)) ?? "", key as never) !== null);
    const first = sampleEntry(2, "act").id;
    const receipt = await ledger.receipt(acme, first, true);
    if (!receipt.ok) throw new Error(JSON.stringify(receipt.refusal));
    const verifierKey = ledger.verifierKey(acme);
    expect(verifyReceipt(receipt.value, { verifierKey, witnessKeys: [witness.keyText] })).toMatchObject({
      ok: true,
      value: { index: 2, size: 5, witnesses: [{ witness: "witness.example/w1" }] },
    });
    // Without its word, and with another's key, it is worth no more than any receipt.
    const plain = await ledger.receipt(acme, first);
    expect(
      plain.ok && verifyReceipt(plain.value, { verifierKey, witnessKeys: [witness.keyText] }),
    ).toMatchObject({ ok: false, refusal: { problem: "witness" } });
    const other = new SmallWitness("witness.example/w1").keyText;
    expect(verifyReceipt(receipt.value, { verifierKey, witnessKeys: [other] })).toMatchObject({
      ok: false,
      refusal: { problem: "witness" },
    });
    expect(alerts).toEqual([]);
    await ledger.stop();
  });

  it("that was rewritten is refused by it, loudly, and goes on being written", async () => {
    const witness = new SmallWitness("witness.example/w1");
    const honest = await opened(witness);
    await honest.write(...entries(0, 40));
    await honest.ledger.start();
    honest.ledger.noted(acme);
    await honest.rounds(() => honest.coveredTo() === 40);
    await honest.ledger.stop();

    // The same keys and origin, by whoever holds them; another history.
    const forged = await opened(witness, { database: new MemoryDatabase(tables) });
    await forged.write(...entries(0, 10), ...entries(100, 150));
    await forged.ledger.start();
    forged.ledger.noted(acme);
    await forged.rounds(() => forged.alerts.length > 0);
    expect(forged.alerts).toMatchObject([{ kind: "witness", witness: "outside", state: "contradicts" }]);
    expect(witness.statuses.at(-1)).toBe(422);
    expect(await forged.store.list(cosignatureTable, { index: "key", limit: 9 })).toEqual([]);
    await forged.write(...entries(150, 151));
    forged.ledger.noted(acme);
    await forged.rounds(async () => (await forged.ledger.receipt(acme, sampleEntry(150, "act").id)).ok);
    expect(forged.coveredTo()).toBe(40);
    await forged.ledger.stop();
  });

  it.each([
    ["shorter than what it has co-signed", 30],
    ["as long, and another", 40],
  ])("that is %s is contradicted", async (_what, size) => {
    const witness = new SmallWitness("witness.example/w1");
    const honest = await opened(witness);
    await honest.write(...entries(0, 40));
    await honest.ledger.start();
    honest.ledger.noted(acme);
    await honest.rounds(() => honest.coveredTo() === 40);
    await honest.ledger.stop();
    const other = await opened(witness);
    await other.write(...entries(500, 500 + size));
    await other.ledger.start();
    other.ledger.noted(acme);
    await other.rounds(() => other.alerts.length > 0);
    expect(other.alerts).toMatchObject([{ state: "contradicts" }]);
    await other.ledger.stop();
  });

  it("whose witness is down is written as ever, and co-signed when it is back, with one word about each", async () => {
    const witness = new SmallWitness("witness.example/w1");
    let isDown = true;
    const { ledger, write, coveredTo, rounds, alerts } = await opened(witness, {
      post: async (body) => {
        if (isDown) throw new Error("connection refused");
        return await Promise.resolve(witness.addCheckpoint(body, second));
      },
    });
    await write(...entries(0, 3));
    await ledger.start();
    ledger.noted(acme);
    await rounds(() => alerts.length === 1);
    expect((await ledger.receipt(acme, sampleEntry(1, "act").id)).ok).toBe(true);
    expect(await ledger.receipt(acme, sampleEntry(1, "act").id, true)).toMatchObject({
      ok: false,
      refusal: { code: "receipt-pending" },
    });
    expect(ledger.witnesses()).toMatchObject([{ state: "down", detail: "connection refused" }]);
    isDown = false;
    await rounds(() => coveredTo() === 3 && alerts.length === 2);
    expect(alerts).toMatchObject([{ state: "down" }, { state: "current" }]);
    await ledger.stop();
  });

  it("asks with what the witness has really seen, when its own record of that is gone", async () => {
    const witness = new SmallWitness("witness.example/w1");
    const first = await opened(witness);
    await first.write(...entries(0, 20));
    await first.ledger.start();
    first.ledger.noted(acme);
    await first.rounds(() => first.coveredTo() === 20);
    await first.ledger.stop();
    const [row] = await first.store.list(cosignatureTable, { index: "key", limit: 1 });
    if (row === undefined) throw new Error("no row");
    const { remove } = await import("../store/index.ts");
    await first.store.commit([
      remove(cosignatureTable, { tenant: row.tenant, size: row.size, witness: row.witness }),
    ]);
    const again = await opened(witness, { database: first.database });
    await again.write(...entries(20, 30));
    await again.ledger.start();
    again.ledger.noted(acme);
    await again.rounds(() => again.coveredTo() === 30);
    expect(witness.statuses.filter((status) => status !== 200)).toEqual([409]);
    expect(again.alerts).toEqual([]);
    await again.ledger.stop();
  });

  it("does not wait for a witness that never answers, when it stops", async () => {
    const witness = new SmallWitness("witness.example/w1");
    let isAsked = false;
    const { ledger, write, rounds, alerts } = await opened(witness, {
      post: (_body, signal) =>
        new Promise((_resolve, reject) => {
          isAsked = true;
          signal.addEventListener("abort", () => reject(new Error("withdrawn")));
        }),
    });
    await write(...entries(0, 3));
    await ledger.start();
    ledger.noted(acme);
    await rounds(() => isAsked);
    await ledger.stop();
    expect(alerts).toEqual([]);
  });

  it("and whose witness answers with somebody else's signature has its word for nothing", async () => {
    const witness = new SmallWitness("witness.example/w1");
    const liar = new SmallWitness("witness.example/w1");
    const { ledger, write, rounds, alerts, store } = await opened(witness, {
      post: async (body) => await Promise.resolve(liar.addCheckpoint(body, second)),
    });
    const log = parseVerifierKey(ledger.verifierKey(acme));
    if (log !== null) liar.knows(log);
    await write(...entries(0, 3));
    await ledger.start();
    ledger.noted(acme);
    await rounds(() => alerts.length === 1);
    expect(alerts).toMatchObject([{ state: "refusing" }]);
    expect(await store.list(cosignatureTable, { index: "key", limit: 9 })).toEqual([]);
    await ledger.stop();
  });
});
