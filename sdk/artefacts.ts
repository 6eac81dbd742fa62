import type { ArtefactAnswer, SavedArtefactAnswer } from "../contract/index.ts";
import type { Attempt } from "./attempt.ts";

/** What stands for large bytes in a step's output, in memory or in a result. Plain JSON. */
export interface ArtefactRef {
  /** Digests of its pieces, in order. */
  readonly artefact: readonly string[];
  readonly bytes: number;
  /** A media type, or whatever the agent calls it. */
  readonly type: string;
}

/** What the node takes at once. */
const pieceBytes = 3 * 1_048_576;

/**
 * Large bytes of a run, kept beside its steps: `put` gives a small reference, `get` the bytes back, in this process or a later one. The
 * same bytes have the same reference, so a step that is done again after a crash keeps nothing twice.
 */
export class Artefacts {
  private readonly attempt: Attempt;

  /** @internal */
  constructor(attempt: Attempt) {
    this.attempt = attempt;
  }

  async put(data: Uint8Array | string, type = "application/octet-stream"): Promise<ArtefactRef> {
    const all = typeof data === "string" ? new TextEncoder().encode(data) : data;
    const artefact: string[] = [];
    for (let at = 0; at === 0 || at < all.length; at += pieceBytes) {
      const body = { attempt: this.attempt.number, data: base64Of(all.subarray(at, at + pieceBytes)) };
      const { digest } = await this.attempt.ask<SavedArtefactAnswer>("POST", "/artefacts", body, null);
      artefact.push(digest);
    }
    return { artefact, bytes: all.length, type };
  }

  /** null = the run does not keep all of it. */
  async get({ artefact, bytes }: ArtefactRef): Promise<Uint8Array | null> {
    const all = new Uint8Array(bytes);
    let at = 0;
    for (const digest of artefact) {
      const path = `/artefacts/${encodeURIComponent(digest)}`;
      const found = await this.attempt.ask<ArtefactAnswer>("GET", path, undefined, null);
      if (found.artefact === null || at + found.artefact.bytes > bytes) return null;
      all.set(bytesOf(found.artefact.data), at);
      at += found.artefact.bytes;
    }
    return at === bytes ? all : null;
  }
}

/** In chunks, because a call takes only so many arguments. */
function base64Of(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8_192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return btoa(text);
}

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
