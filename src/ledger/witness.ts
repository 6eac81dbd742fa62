import type { TenantId } from "../identity/index.ts";
import type { Cosignature } from "./cosignature.ts";
import { cosignaturesBy } from "./cosignature.ts";
import type { VerifierKey } from "./note.ts";
import { partsOfNote } from "./note.ts";

/** Sends one request of C2SP tlog-witness. Rejects when the witness is not reached or does not answer in time. */
export type WitnessPost = (body: string, signal: AbortSignal) => Promise<WitnessAnswer>;

export interface WitnessAnswer {
  readonly status: number;
  /** Empty when it says none. */
  readonly contentType: string;
  readonly body: string;
}

export interface Witness {
  /** As the operator calls it. */
  readonly name: string;
  readonly key: VerifierKey;
  readonly post: WitnessPost;
}

/**
 *  current      it has co-signed the newest checkpoint that it was asked about
 *  down         it was not reached, or its answer is none that the protocol knows
 *  refusing     it does not know this log or its key: what it is told of us is wrong
 *  contradicts  what it has seen of this log is not what the log is now: rewritten, forked or put back
 */
export type WitnessState = "current" | "down" | "refusing" | "contradicts";

export type Asked =
  | { readonly state: "current"; readonly cosignature: Cosignature }
  | { readonly state: Exclude<WitnessState, "current">; readonly detail: string }
  /** It is ahead of what this node has read: another node was faster. */
  | { readonly state: "ahead"; readonly size: number };

export interface Question {
  readonly tenant: TenantId;
  /** The newest checkpoint as it is stored. */
  readonly note: string;
  readonly size: number;
  /** What the witness has seen last, as far as we know; 0 = nothing. */
  readonly seen: number;
  readonly prove: (from: number, to: number) => Promise<readonly Uint8Array[]>;
}

/** A conflict tells what to ask next; more of them than this mean that others ask at the same time. */
const questionsMax = 3;

/** Asks for a co-signature, and once more with what the witness has really seen. Rejects when our own log cannot be proven. */
export async function askWitness(witness: Witness, question: Question, signal: AbortSignal): Promise<Asked> {
  const { note, size, prove } = question;
  let { seen } = question;
  for (let asked = 1; ; asked++) {
    let answer: WitnessAnswer;
    const body = requestText(seen, await prove(seen, size), note);
    try {
      answer = await witness.post(body, signal);
    } catch (thrown) {
      return { state: "down", detail: thrown instanceof Error ? thrown.message : String(thrown) };
    }
    switch (answer.status) {
      case 200:
        return taken(witness, note, answer.body);
      case 409: {
        const has = sizeIn(answer);
        if (seen === size && (has === null || has === size)) {
          return {
            state: "contradicts",
            detail: `it has co-signed another history of the first ${size} entries`,
          };
        }
        if (has === null || has === seen)
          return { state: "down", detail: "it answered 409 without the size that it has seen" };
        if (has > size) return { state: "ahead", size: has };
        if (asked === questionsMax)
          return { state: "down", detail: "others ask it about this log at the same time" };
        seen = has;
        break;
      }
      case 422:
        return {
          state: "contradicts",
          detail: `the log of ${size} entries does not begin with the ${seen} that it has co-signed`,
        };
      case 403:
        return { state: "refusing", detail: "it does not take the log's key (403)" };
      case 404:
        return { state: "refusing", detail: "it does not know the log's origin (404)" };
      case 400:
        return { state: "refusing", detail: "it does not take the request (400)" };
      default:
        return { state: "down", detail: `it answered with status ${answer.status}` };
    }
  }
}

function requestText(seen: number, proof: readonly Uint8Array[], note: string): string {
  const hashes = proof.map((hash) => `${Buffer.from(hash).toString("base64")}\n`).join("");
  return `old ${seen}\n${hashes}\n${note}`;
}

function taken(witness: Witness, note: string, body: string): Asked {
  const text = partsOfNote(note)?.text ?? "";
  const [cosignature] = cosignaturesBy(witness.key, text, body.split("\n"));
  if (cosignature !== undefined) return { state: "current", cosignature };
  return {
    state: "refusing",
    detail: "its answer holds no signature of the key that the configuration names",
  };
}

/** Digits and a newline. */
function sizeIn({ contentType, body }: WitnessAnswer): number | null {
  if (!contentType.startsWith("text/x.tlog.size")) return null;
  const [, digits] = /^(0|[1-9][0-9]{0,15})\n?$/.exec(body) ?? [];
  const size = Number(digits ?? "x");
  return Number.isSafeInteger(size) ? size : null;
}
