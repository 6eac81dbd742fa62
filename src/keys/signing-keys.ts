import type { KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import type { Clock, Random } from "../base/index.ts";
import { Fault, invariant, msOf, sha256 } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import { insert } from "../store/index.ts";
import type { KekRing } from "./kek-ring.ts";
import { signingKeyTable } from "./tables.ts";

/** `log` signs checkpoints, `issuer` signs tokens, `approval` signs what people have approved. Never one for two of them. */
const signingKeyNames = ["log", "issuer", "approval"] as const;
export type SigningKeyName = (typeof signingKeyNames)[number];

export interface PublicKey {
  /** 32 bytes (RFC 8032). */
  readonly raw: Uint8Array;
  readonly spkiDer: Uint8Array;
  /** RFC 7638 thumbprint of its JWK, base64url. */
  readonly kid: string;
}

interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicKey: PublicKey;
}

/** The public half as it stands in the store, for offline work without a KEK. Null before the first start. Not authenticated. */
export async function storedPublicKey(
  read: Pick<Store, "get">,
  name: SigningKeyName,
): Promise<Uint8Array | null> {
  return (await read.get(signingKeyTable, { name }))?.public ?? null;
}

/** Ed25519 signing keys, made at the first start and sealed in the store. */
export class SigningKeys {
  private readonly keys = new Map<SigningKeyName, SigningKey>();

  async load(options: { store: Store; ring: KekRing; random: Random; clock: Clock }): Promise<void> {
    const { store, ring } = options;
    for (const name of signingKeyNames) {
      let row = await store.get(signingKeyTable, { name });
      if (row === null) {
        // When another node makes it at the same moment, the insert fails and theirs is read.
        await store.commit([insert(signingKeyTable, newRow(name, options))]);
        row = await store.get(signingKeyTable, { name });
      }
      invariant(row, `signing key ${name} was committed but is not there`);
      const der = ring.withId(row.kek, `signing key "${name}"`).unwrap(row.wrapped, signingPurpose(name));
      const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
      der.fill(0);
      const publicKey = publicKeyOf(createPublicKey(privateKey));
      if (!Buffer.from(publicKey.raw).equals(row.public)) {
        throw new Fault("internal", `the stored public half of signing key "${name}" was changed`, {
          effect: "none",
        });
      }
      this.keys.set(name, { privateKey, publicKey });
    }
  }

  sign(name: SigningKeyName, bytes: Uint8Array): Uint8Array {
    return sign(null, bytes, this.named(name).privateKey);
  }

  publicKey(name: SigningKeyName): PublicKey {
    return this.named(name).publicKey;
  }

  clear(): void {
    this.keys.clear();
  }

  private named(name: SigningKeyName): SigningKey {
    const key = this.keys.get(name);
    invariant(key, `signing key ${name} is used before start or after stop`);
    return key;
  }
}

export const signingPurpose = (name: string): string => `signing ${name}`;

function newRow(name: SigningKeyName, options: { ring: KekRing; random: Random; clock: Clock }) {
  // From the seed rather than from node's generator, so that a simulation is the same for the same seed.
  const seed = options.random.bytes(32);
  const der = Buffer.concat([pkcs8Front, seed]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const kek = options.ring.current;
  const row = {
    name,
    kek: kek.id,
    public: publicKeyOf(createPublicKey(privateKey)).raw,
    wrapped: kek.wrap(der, signingPurpose(name), options.random),
    createdAt: msOf(options.clock.wall()),
  };
  seed.fill(0);
  der.fill(0);
  return row;
}

/** Everything of an Ed25519 PKCS #8 key that stands before its 32 bytes (RFC 8410, section 7). */
const pkcs8Front = Buffer.from("302e020100300506032b657004220420", "hex");

function publicKeyOf(key: KeyObject): PublicKey {
  const spkiDer = key.export({ format: "der", type: "spki" });
  const raw = spkiDer.subarray(-32);
  const x = raw.toString("base64url");
  // RFC 7638: the required members in order of their names (RFC 8037, appendix A.3, for this key type).
  const kid = sha256(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).toString("base64url");
  return { raw, spkiDer, kid };
}
