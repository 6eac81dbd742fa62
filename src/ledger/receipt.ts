import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import { openCheckpoint } from "./checkpoint.ts";
import type { Cosignature } from "./cosignature.ts";
import { cosignatureIn, parseWitnessKey } from "./cosignature.ts";
import { entryOfLeaf, leafHashOf } from "./leaf.ts";
import { hashBytes, verifyInclusion } from "./merkle.ts";
import { parseVerifierKey, strictBase64 } from "./note.ts";
import type { Entry } from "./shapes.ts";

/**
 * C2SP tlog-proof: everything needed to prove an entry offline, given the log's public key. The `extra` line carries the leaf
 * (the spec's "data necessary to reconstruct the record hash"); it is believed only because its hash is the one proven.
 */
export interface Receipt {
  readonly leaf: string | null;
  readonly index: number;
  /** From the leaf's sibling up. */
  readonly proof: readonly Uint8Array[];
  /** The signed note, verbatim. */
  readonly checkpoint: string;
}

/** The leaf of an entry is some kB; a proof has at most 53 hashes; a note 128 kB. */
const receiptCharactersMax = 8 * 1_048_576;
const firstLine = "c2sp.org/tlog-proof@v1";

export function receiptText(receipt: Receipt): string {
  const { leaf, index, proof, checkpoint } = receipt;
  const extra = leaf === null ? "" : `extra ${Buffer.from(leaf, "utf8").toString("base64")}\n`;
  const hashes = proof.map((hash) => `${Buffer.from(hash).toString("base64")}\n`).join("");
  return `${firstLine}\n${extra}index ${index}\n${hashes}\n${checkpoint}`;
}

/** Null when it is not a tlog-proof of version 1. Verifies nothing. */
function parseReceipt(text: string): Receipt | null {
  if (text.length > receiptCharactersMax) return null;
  const split = text.indexOf("\n\n");
  if (split === -1) return null;
  const lines = text.slice(0, split).split("\n");
  if (lines.shift() !== firstLine) return null;
  let leaf: string | null = null;
  if (lines[0]?.startsWith("extra ")) {
    const bytes = strictBase64((lines.shift() ?? "").slice("extra ".length));
    if (bytes === null) return null;
    leaf = bytes.toString("utf8");
  }
  const [, digits] = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? "") ?? [];
  const index = Number(digits ?? "x");
  if (!Number.isSafeInteger(index)) return null;
  const proof = lines.map(strictBase64);
  if (proof.some((hash) => hash?.byteLength !== hashBytes)) return null;
  return { leaf, index, proof: proof as Buffer[], checkpoint: text.slice(split + 2) };
}

export interface ProvenReceipt {
  /** What the log recorded; from the proven leaf. */
  readonly entry: Entry;
  readonly leaf: string;
  readonly origin: string;
  readonly index: number;
  /** Leaves in the log when the checkpoint was signed. */
  readonly size: number;
  /** What the witnesses that were asked for say of the checkpoint. */
  readonly witnesses: readonly Cosignature[];
}

export interface ReceiptProblem {
  readonly problem: "malformed" | "key" | "signature" | "leaf" | "inclusion" | "witness";
  readonly detail: string;
}

/**
 * Proves a receipt offline. `verifierKey` is the log's public key as text, from a source the reader trusts. `leaf` is needed only
 * for a receipt that carries none; given both, they must be equal.
 */
export function verifyReceipt(
  text: string,
  options: {
    readonly verifierKey: string;
    readonly leaf?: string;
    /** Each of these witnesses must have co-signed the checkpoint. */
    readonly witnessKeys?: readonly string[];
  },
): Result<ProvenReceipt, ReceiptProblem> {
  const no = (problem: ReceiptProblem["problem"], detail: string) =>
    refuse<ReceiptProblem>({ problem, detail });
  const trusted = parseVerifierKey(options.verifierKey);
  if (trusted === null) return no("key", "the verifier key is not one of the form <origin>+<id>+<key>");
  const receipt = parseReceipt(text);
  if (receipt === null) return no("malformed", `not a ${firstLine} proof`);
  const checkpoint = openCheckpoint(receipt.checkpoint, trusted);
  if (!checkpoint.ok) {
    return no(
      checkpoint.refusal.problem === "malformed" ? "malformed" : "signature",
      checkpoint.refusal.detail,
    );
  }
  const leaf = options.leaf ?? receipt.leaf;
  if (leaf === null) return no("leaf", "the receipt carries no leaf and none was given");
  if (receipt.leaf !== null && receipt.leaf !== leaf) {
    return no("leaf", "the receipt is about another leaf than the one given");
  }
  const { origin, size, root } = checkpoint.value;
  const { index, proof } = receipt;
  if (!verifyInclusion(leafHashOf(leaf), index, size, proof, root)) {
    return no("inclusion", `the leaf is not at position ${index} of the ${size} the checkpoint covers`);
  }
  const witnesses: Cosignature[] = [];
  for (const text of options.witnessKeys ?? []) {
    const key = parseWitnessKey(text);
    if (key === null) return no("key", "the key of a witness is not one of the form <name>+<id>+<key>");
    const said = cosignatureIn(receipt.checkpoint, key);
    if (said === null) return no("witness", `${key.name} has not co-signed its checkpoint`);
    witnesses.push(said);
  }
  try {
    return ok({ entry: entryOfLeaf(leaf), leaf, origin, index, size, witnesses });
  } catch {
    return no("leaf", "the proven leaf is of a version this program does not know");
  }
}
