import type { KeyObject } from "node:crypto";
import { createPublicKey, verify } from "node:crypto";
import { canonicalJson, msOf } from "../base/index.ts";
import type { Keys, PublicKey } from "../keys/index.ts";
import type { ApprovalRequest, ApprovalVote } from "./request.ts";

/** In front of what is signed, so that no signature of this key ever means anything else. */
const domain = "dev.signalbox/approval/v1\n";

/**
 * The approval itself: a signed text over the intent digest, its own id, nonce and expiry, and who said yes. It is what is looked
 * at before a call is let through, so that a row changed in the database permits nothing.
 */
export function signGrant(
  request: ApprovalRequest,
  votes: readonly ApprovalVote[],
  keys: Pick<Keys, "sign">,
): string {
  const text = grantText(request, votes);
  const signature = Buffer.from(keys.sign("approval", Buffer.from(domain + text))).toString("base64");
  return JSON.stringify({ text, signature });
}

/** Whether the grant was signed here, for exactly this request. */
export function isGranted(request: ApprovalRequest, keys: Pick<Keys, "publicKey">): boolean {
  if (request.grant === null) return false;
  try {
    const { text, signature } = JSON.parse(request.grant) as { text: string; signature: string };
    const key = keyObject(keys.publicKey("approval"));
    if (!verify(null, Buffer.from(domain + text), key, Buffer.from(signature, "base64"))) return false;
    const { votes, ...about } = JSON.parse(text) as { votes: readonly unknown[] };
    return votes.length > 0 && canonicalJson(about) === canonicalJson(identityOf(request));
  } catch {
    return false; // not a text of ours
  }
}

/** Reading a key takes as long as verifying with it. */
const keyObjects = new WeakMap<PublicKey, KeyObject>();

function keyObject(publicKey: PublicKey): KeyObject {
  const known = keyObjects.get(publicKey);
  if (known !== undefined) return known;
  const key = createPublicKey({ key: Buffer.from(publicKey.spkiDer), format: "der", type: "spki" });
  keyObjects.set(publicKey, key);
  return key;
}

const grantText = (request: ApprovalRequest, votes: readonly ApprovalVote[]): string =>
  canonicalJson({
    ...identityOf(request),
    votes: votes.map(({ person, entry, rules }) => ({ person, entry, rules })),
  });

const identityOf = (request: ApprovalRequest): Readonly<Record<string, unknown>> => ({
  v: 1,
  id: request.id,
  tenant: request.tenant,
  call: request.call,
  intent: request.intentDigest,
  nonce: request.nonce,
  expiresAt: msOf(request.expiresAt),
  rules: request.rules,
  run: request.run,
  endorses: request.endorses,
});
