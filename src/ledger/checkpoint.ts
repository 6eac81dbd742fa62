import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import { hashBytes } from "./merkle.ts";
import type { NoteProblem, VerifierKey } from "./note.ts";
import { openNote, signNote, strictBase64 } from "./note.ts";

/** C2SP tlog-checkpoint: a signed tree head. The key's name is the origin. */
export interface Checkpoint {
  /** `<installation id>/<tenant id>`. */
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

export function signCheckpoint(
  checkpoint: Checkpoint,
  publicKey: Uint8Array,
  sign: (bytes: Uint8Array) => Uint8Array,
): string {
  const { origin, size, root } = checkpoint;
  const text = `${origin}\n${size}\n${Buffer.from(root).toString("base64")}\n`;
  return signNote(text, origin, publicKey, sign);
}

/** Verified, and of the origin the key is named for. */
export function openCheckpoint(note: string, trusted: VerifierKey): Result<Checkpoint, NoteProblem> {
  const opened = openNote(note, trusted);
  if (!opened.ok) return opened;
  const checkpoint = parseCheckpoint(opened.value);
  if (checkpoint === null) return refuse({ problem: "malformed", detail: "not a checkpoint" });
  if (checkpoint.origin !== trusted.name) {
    return refuse({
      problem: "malformed",
      detail: `a checkpoint of ${checkpoint.origin}, not of ${trusted.name}`,
    });
  }
  return ok(checkpoint);
}

/** Reads a checkpoint's text, or a whole note, without verifying anything. Null when it is none. */
export function parseCheckpoint(text: string): Checkpoint | null {
  const [origin, size, root] = text.split("\n", 4);
  if (!origin || size === undefined || root === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(size))
    return null;
  const bytes = strictBase64(root);
  if (bytes === null || bytes.byteLength !== hashBytes || !Number.isSafeInteger(Number(size))) return null;
  return { origin, size: Number(size), root: bytes };
}
