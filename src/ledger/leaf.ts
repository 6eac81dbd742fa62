import { hash } from "node:crypto";
import { msOf, wallMs } from "../base/index.ts";
import type { Write } from "../store/index.ts";
import { append } from "../store/index.ts";
import { escaped, quoteAll, quoteOrNull, quoteRecord } from "./canonical-text.ts";
import type { SealedPayload } from "./payload.ts";
import type { DecisionRecord, Entry, Outcome } from "./shapes.ts";
import { entryTable } from "./tables.ts";

/** A write that appends the entry, and its leaf hash, base64 as it stands in the receipt reference. */
export function entryWrite(
  entry: Entry,
  sealed: SealedPayload | null,
): { readonly write: Write; readonly leafHash: Uint8Array; readonly leafHashText: string } {
  // Hashing makes the text one piece, and a slice of it is one piece too: the store would otherwise join it a second time.
  const hashed = `\u0000${leafText(entry)}`;
  // As text first, which the receipt needs anyway: asking for bytes costs as much as the hash itself.
  const leafHashText = hash("sha256", hashed, "base64");
  const leafHash = Buffer.from(leafHashText, "base64");
  const leaf = hashed.slice(1);
  return {
    leafHash,
    leafHashText,
    write: append(entryTable, {
      id: entry.id,
      tenant: entry.tenant,
      at: msOf(entry.at),
      kind: entry.kind,
      call: entry.call,
      leaf,
      leafHash,
      payload: sealed === null ? null : sealed.bytes,
      payloadScope: sealed === null ? null : sealed.scope,
    }),
  };
}

/** RFC 8785 text of `{v: 1, ...entry}`, with keys in order by hand: this is written once or twice per call. */
export function leafText(entry: Entry): string {
  return (
    `{"after":${quoteOrNull(entry.after)},"at":${msOf(entry.at)},"call":${quoteOrNull(entry.call)}` +
    `,"commitments":${quoteRecord(entry.commitments)},"decision":${decisionText(entry.decision)}` +
    `,"id":"${escaped(entry.id)}","intentDigest":${quoteOrNull(entry.intentDigest)}` +
    `,"kind":"${escaped(entry.kind)}","method":"${escaped(entry.method)}","outcome":${outcomeText(entry.outcome)}` +
    `,"principals":${quoteAll(entry.principals)},"run":${quoteOrNull(entry.run)}` +
    `,"step":${quoteOrNull(entry.step)},"stepDigest":${quoteOrNull(entry.stepDigest)}` +
    `,"subject":${quoteOrNull(entry.subject)},"tenant":"${escaped(entry.tenant)}","v":1` +
    `,"versions":${quoteRecord(entry.versions)}}`
  );
}

/** RFC 6962 leaf hash: SHA-256(0x00 || leaf). U+0000 is the byte 0x00 in UTF-8. */
export const leafHashOf = (leaf: string): Buffer => hash("sha256", `\u0000${leaf}`, "buffer");

/** The entry a leaf was made from. The leaf must be ours: from our own log, or proven by a receipt. */
export function entryOfLeaf(leaf: string): Entry {
  const { v, at, ...rest } = JSON.parse(leaf) as Record<string, unknown>;
  if (v !== 1 || typeof at !== "number") throw new SyntaxError("not a leaf of version 1");
  // Written by `leafText`, which is the only writer of version 1.
  return { ...rest, at: wallMs(at) } as unknown as Entry;
}

const decisionText = (decision: DecisionRecord | null): string =>
  decision === null
    ? "null"
    : `{"effect":"${escaped(decision.effect)}","policies":${quoteAll(decision.policies)}}`;

function outcomeText(outcome: Outcome | null): string {
  if (outcome === null) return "null";
  switch (outcome.kind) {
    case "succeeded":
      return outcome.withheld === undefined
        ? `{"isError":${outcome.isError},"kind":"succeeded"}`
        : `{"isError":${outcome.isError},"kind":"succeeded","withheld":"${escaped(outcome.withheld)}"}`;
    case "failed":
    case "unknown":
    case "refused":
      return `{"code":"${escaped(outcome.code)}","kind":"${escaped(outcome.kind)}"}`;
  }
}
