import type { Random } from "../base/index.ts";
import { HmacKey } from "./hmac.ts";
import { Keystream } from "./keystream.ts";

/** The key of a scope, ready for use. Its bytes do not leave this room. */
export class DataKey {
  readonly scope: string;
  /** 16 hex digits. */
  readonly id: string;
  /** `[2][key id 8]`, the front of everything sealed under it, a character per byte. */
  readonly header: string;
  readonly keystream: Keystream;
  readonly sealMac: HmacKey;
  private readonly root: HmacKey;
  private ownMac: HmacKey | null = null;

  constructor(scope: string, id: string, secret: Uint8Array, random: Random) {
    this.scope = scope;
    this.id = id;
    this.header = String.fromCharCode(sealFormat) + Buffer.from(id, "hex").toString("latin1");
    // One key, one use: encrypting and the two ways of authenticating never share key material.
    this.root = new HmacKey(Buffer.from(secret).toString("latin1"));
    this.keystream = new Keystream(this.root.text("signalbox data key: encrypt"), random);
    this.sealMac = new HmacKey(this.root.text("signalbox data key: authenticate"));
  }

  /** For `Keys.hmac`: what others authenticate. Nobody does under most keys, so it is derived when it is asked for. */
  get mac(): HmacKey {
    return (this.ownMac ??= new HmacKey(this.root.text("signalbox data key: mac")));
  }
}

export const sealFormat = 2;
export const keyIdBytes = 8;
