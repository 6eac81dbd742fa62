import { verify } from "node:crypto";
import type { WallMs } from "../base/index.ts";
import { wallMs } from "../base/index.ts";
import type { VerifierKey } from "./note.ts";
import { keyTypes, parseVerifierKey, partsOfNote, signatureIn } from "./note.ts";

/** C2SP tlog-cosignature, Ed25519: that a witness, at its time, had seen no larger log than this, and none that contradicts it. */

const timeBytes = 8;
const signatureBytes = 64;
/** Seconds that a wall time in milliseconds can hold. */
const secondsMax = 8_640_000_000_000;

/** `<name>+<key id>+<base64 of 0x04 and the key>`; null when it is anything else. */
export const parseWitnessKey = (text: string): VerifierKey | null => parseVerifierKey(text, keyTypes.witness);

export interface Cosignature {
  readonly witness: string;
  /** By the witness's clock, to the second. */
  readonly at: WallMs;
  readonly line: string;
}

/** What is signed: the whole text of the checkpoint, behind the time. */
export const cosignedText = (text: string, seconds: number): string =>
  `cosignature/v1\ntime ${seconds}\n${text}`;

/** Those among the lines that are by this witness, about this text, and true. Others are ignored, as the specification wants. */
export function cosignaturesBy(witness: VerifierKey, text: string, lines: readonly string[]): Cosignature[] {
  return lines.flatMap((line) => {
    const found = signatureIn(line);
    if (found?.name !== witness.name || found.keyId !== witness.id) return [];
    if (found.bytes.byteLength !== timeBytes + signatureBytes) return [];
    const seconds = found.bytes.readBigUInt64BE(0);
    if (seconds > secondsMax) return [];
    const signed = Buffer.from(cosignedText(text, Number(seconds)), "utf8");
    if (!verify(null, signed, witness.key, found.bytes.subarray(timeBytes))) return [];
    return [{ witness: witness.name, at: wallMs(Number(seconds) * 1_000), line }];
  });
}

/** What this witness says in a note; null = nothing that is true. */
export function cosignatureIn(note: string, witness: VerifierKey): Cosignature | null {
  const parts = partsOfNote(note);
  return parts === null ? null : (cosignaturesBy(witness, parts.text, parts.lines)[0] ?? null);
}

/** The note with these lines behind its own. */
export const withLines = (note: string, lines: readonly string[]): string =>
  `${note}${lines.map((line) => `${line}\n`).join("")}`;
