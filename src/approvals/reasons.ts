import type { Prover } from "./proof.ts";
import { isSameProof, proofOf } from "./proof.ts";

/** Why the rules of a request ask people, by their place; null = the rule's policy does not say. */
export type Reasons = readonly (string | null)[];

/** A few sentences: they stand in front of what people are to look at, and in what an agent reads. */
const reasonCharsMax = 500;

/** What a policy's author says about it, as one line of bounded length; null = nothing. */
export function reasonOf(description: string | null): string | null {
  const line = (description ?? "").replaceAll(/[ \t\r\n]+/g, " ").replaceAll(/^ | $/g, "");
  if (line === "") return null;
  if (line.length <= reasonCharsMax) return line;
  // Not half of a sign that takes two.
  return `${line.slice(0, reasonCharsMax - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/** What of a request binds them to it: its id, and what was drawn for it alone. */
interface Reasoned {
  readonly id: string;
  readonly nonce: string;
  readonly reasons: Reasons | null;
  readonly reasonsProof: string | null;
}

/**
 * A proof of its own, beside that of the request: the version before knows no reasons, works on the same rows, and proves them as it
 * always did. Null = there is nothing to prove.
 */
export const proofOfReasons = (
  { id, nonce, reasons }: Omit<Reasoned, "reasonsProof">,
  prover: Prover,
): string | null => (reasons === null ? null : proofOf("reasons", [id, nonce, reasons], prover));

/** Whoever takes them out of the database, proof and all, shows people less, and changes nothing of what they say yes to. */
export function areProvenReasons({ reasonsProof, ...request }: Reasoned, prover: Prover): boolean {
  const proof = proofOfReasons(request, prover);
  if (proof === null || reasonsProof === null) return proof === reasonsProof;
  return isSameProof(reasonsProof, proof);
}
