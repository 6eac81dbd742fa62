import type { KeyObject } from "node:crypto";
import { createHmac, createSecretKey } from "node:crypto";
import type { Random } from "../base/index.ts";
import { WrapStream } from "./key-wrap.ts";

/** The key of a scope, ready for use. Its bytes do not leave this room. */
export class DataKey {
  readonly scope: string;
  /** 16 hex digits. */
  readonly id: string;
  /** `[1][key id 8]`, the front of everything sealed under it. */
  readonly header: Buffer;
  readonly wrapKey: KeyObject;
  readonly wrapping: WrapStream;
  readonly macKey: KeyObject;

  constructor(scope: string, id: string, secret: Uint8Array, random: Random) {
    this.scope = scope;
    this.id = id;
    this.header = Buffer.concat([Buffer.of(sealFormat), Buffer.from(id, "hex")]);
    // One key, one use: wrapping and authenticating never share key material.
    this.wrapKey = derive(secret, "signalbox data key: wrap");
    this.wrapping = new WrapStream(this.wrapKey, random);
    this.macKey = derive(secret, "signalbox data key: mac");
  }
}

export const sealFormat = 1;
export const keyIdBytes = 8;

function derive(secret: Uint8Array, use: string): KeyObject {
  return createSecretKey(createHmac("sha256", secret).update(use).digest());
}
