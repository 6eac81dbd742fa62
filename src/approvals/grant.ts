import type { KeyObject } from "node:crypto";
import { createPublicKey, verify } from "node:crypto";
import { RecentMap, canonicalJson, invariant, msOf, sha256Hex } from "../base/index.ts";
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
  keys: Pick<Keys, "sign" | "publicKey">,
): string {
  invariant(votes.length > 0, "nobody has said yes");
  const text = grantText(request, votes);
  const signature = Buffer.from(keys.sign("approval", Buffer.from(domain + text))).toString("base64");
  const grant = JSON.stringify({ text, signature });
  knownUnder(keys.publicKey("approval")).add(grant, request);
  return grant;
}

/** Whether the grant was signed by this installation, for exactly this request. */
export function isGranted(request: ApprovalRequest, keys: Pick<Keys, "publicKey">): boolean {
  const { grant } = request;
  if (grant === null) return false;
  const known = knownUnder(keys.publicKey("approval"));
  if (known.has(grant, request)) return true;
  const isGood = isSignedFor(request, grant, known.key);
  if (isGood) known.add(grant, request);
  return isGood;
}

function isSignedFor(request: ApprovalRequest, grant: string, key: KeyObject): boolean {
  try {
    const { text, signature } = JSON.parse(grant) as { text: string; signature: string };
    return (
      text.startsWith(`${frontOf(request)}[{`) &&
      verify(null, Buffer.from(domain + text), key, Buffer.from(signature, "base64"))
    );
  } catch {
    return false; // not a text of ours
  }
}

/** Most grants are used once, soon after the vote, where they were signed. About 100 bytes each. */
const knownMax = 10_000;

/**
 * Grants that this key is known to have signed, and for what: verifying takes 100 µs, the digest of both texts two. Reading the key takes
 * as long as verifying.
 */
class KnownGrants {
  readonly key: KeyObject;
  private readonly digests = new RecentMap<string, true>(knownMax);

  constructor({ spkiDer }: PublicKey) {
    this.key = createPublicKey({ key: Buffer.from(spkiDer), format: "der", type: "spki" });
  }

  has(grant: string, request: ApprovalRequest): boolean {
    return this.digests.has(digestOf(grant, request));
  }

  add(grant: string, request: ApprovalRequest): void {
    this.digests.set(digestOf(grant, request), true);
  }
}

const digestOf = (grant: string, request: ApprovalRequest): string =>
  sha256Hex(JSON.stringify([grant, identityOf(request)]));

const knownByKey = new WeakMap<PublicKey, KnownGrants>();

function knownUnder(publicKey: PublicKey): KnownGrants {
  let known = knownByKey.get(publicKey);
  if (known === undefined) knownByKey.set(publicKey, (known = new KnownGrants(publicKey)));
  return known;
}

/** RFC 8785 text of who and what, and of the votes. */
const grantText = (request: ApprovalRequest, votes: readonly ApprovalVote[]): string =>
  `${frontOf(request)}${canonicalJson(votes.map(({ person, entry, rules }) => ({ person, entry, rules })))}}`;

/** All of it but the votes, whose name is the last in order. */
const frontOf = (request: ApprovalRequest): string =>
  `${canonicalJson(identityOf(request)).slice(0, -1)},"votes":`;

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
