import { generateKeyPairSync, sign } from "node:crypto";
import { openCheckpoint } from "./checkpoint.ts";
import { cosignedText } from "./cosignature.ts";
import { verifyConsistency } from "./merkle.ts";
import type { VerifierKey } from "./note.ts";
import { keyId, keyTypes, partsOfNote, strictBase64, verifierKeyText } from "./note.ts";
import type { WitnessAnswer } from "./witness.ts";

/** A witness as C2SP tlog-witness describes one, with its records in memory. It knows the logs that it is told of. */
export class SmallWitness {
  readonly name: string;
  readonly keyText: string;
  /** By origin: what it has co-signed last. */
  readonly seen = new Map<string, { readonly size: number; readonly root: Uint8Array }>();
  readonly statuses: number[] = [];
  private readonly logs = new Map<string, VerifierKey>();
  private readonly keys = generateKeyPairSync("ed25519");
  private readonly raw: Uint8Array;

  constructor(name: string) {
    this.name = name;
    this.raw = this.keys.publicKey.export({ format: "der", type: "spki" }).subarray(-32);
    this.keyText = verifierKeyText(name, this.raw, keyTypes.witness);
  }

  knows(log: VerifierKey): void {
    this.logs.set(log.name, log);
  }

  /** The whole check and the change of its record, with nothing between. */
  addCheckpoint(body: string, seconds: number): WitnessAnswer {
    const answer = this.checked(body, seconds);
    this.statuses.push(answer.status);
    return answer;
  }

  private checked(body: string, seconds: number): WitnessAnswer {
    const split = body.indexOf("\n\n");
    const [old = "", ...lines] = body.slice(0, split).split("\n");
    const [, digits] = /^old (0|[1-9][0-9]*)$/.exec(old) ?? [];
    const proof = lines.map(strictBase64);
    if (split === -1 || digits === undefined || proof.length > 63 || proof.includes(null))
      return said(400, "no request");
    const note = body.slice(split + 2);
    const log = this.logs.get(note.split("\n", 1)[0] ?? "");
    if (log === undefined) return said(404, "unknown origin");
    const opened = openCheckpoint(note, log);
    if (!opened.ok) return said(403, "no signature of a key that is trusted for it");
    const { origin, size, root } = opened.value;
    const first = Number(digits);
    if (first > size) return said(400, "old size above the checkpoint's");
    const last = this.seen.get(origin) ?? { size: 0, root: new Uint8Array() };
    if (last.size !== first) return conflict(last.size);
    if (first === size && !Buffer.from(root).equals(last.root)) return conflict(last.size);
    if (first > 0 && !verifyConsistency(first, size, proof as Buffer[], last.root, root))
      return said(422, "the consistency proof does not verify");
    if (first === 0 && proof.length > 0) return said(422, "a proof from nothing is empty");
    this.seen.set(origin, { size, root });
    return said(200, this.line(note, seconds));
  }

  private line(note: string, seconds: number): string {
    const text = Buffer.from(cosignedText(partsOfNote(note)?.text ?? "", seconds), "utf8");
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(seconds));
    const id = keyId(this.name, this.raw, keyTypes.witness);
    const signature = Buffer.concat([id, time, sign(null, text, this.keys.privateKey)]);
    return `— ${this.name} ${signature.toString("base64")}\n`;
  }
}

const said = (status: number, body: string): WitnessAnswer => ({ status, contentType: "text/plain", body });
const conflict = (size: number): WitnessAnswer => ({
  status: 409,
  contentType: "text/x.tlog.size",
  body: `${size}\n`,
});
