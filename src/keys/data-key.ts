import type { KeyObject } from "node:crypto";
import { createSecretKey } from "node:crypto";
import type { Random } from "../base/index.ts";
import { HmacKey } from "./hmac.ts";
import { Keystream } from "./keystream.ts";

/** The key of a scope, ready for use. Its bytes do not leave this room. */
export class DataKey {
  readonly scope: string;
  /** 16 hex digits. */
  readonly id: string;
  /** `[2][key id 8]`, the front of everything sealed under it. */
  readonly header: Uint8Array;
  readonly encryptionKey: KeyObject;
  readonly keystream: Keystream;
  readonly sealMac: HmacKey;
  /** For `Keys.hmac`: what others authenticate. */
  readonly mac: HmacKey;

  constructor(scope: string, id: string, secret: Uint8Array, random: Random) {
    this.scope = scope;
    this.id = id;
    this.header = Uint8Array.of(sealFormat, ...Buffer.from(id, "hex"));
    // One key, one use: encrypting and the two ways of authenticating never share key material.
    const root = new HmacKey(secret);
    this.encryptionKey = createSecretKey(root.digest("signalbox data key: encrypt"));
    this.keystream = new Keystream(this.encryptionKey, random);
    this.sealMac = new HmacKey(root.digest("signalbox data key: authenticate"));
    this.mac = new HmacKey(root.digest("signalbox data key: mac"));
  }
}

export const sealFormat = 2;
export const keyIdBytes = 8;
