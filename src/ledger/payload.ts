import type { DataKey, Keys } from "../keys/index.ts";
import type { EntryId, Payload } from "./shapes.ts";

/** A payload, sealed, and the scope under whose key. */
export interface SealedPayload {
  readonly bytes: Uint8Array;
  readonly scope: string;
}

/** Bound to the entry: bytes moved to another entry do not open. */
export const sealPayload = (
  keys: Pick<Keys, "seal">,
  key: DataKey,
  entry: EntryId,
  payload: Payload,
): SealedPayload => ({ bytes: keys.seal(key, JSON.stringify(payload), entry), scope: key.scope });

export type OpenedPayload =
  | { readonly erased: false; readonly payload: Payload }
  /** Its key was destroyed: nobody can read it again. */
  | { readonly erased: true };

/** Rejects with a Fault when the bytes were changed. */
export async function openPayload(
  keys: Pick<Keys, "existingScopeKey" | "open" | "isSealedBy">,
  entry: EntryId,
  sealed: SealedPayload,
): Promise<OpenedPayload> {
  const key = await keys.existingScopeKey(sealed.scope);
  // A scope that was erased and used again has another key.
  if (key === null || !keys.isSealedBy(key, sealed.bytes)) return { erased: true };
  const text = Buffer.from(keys.open(key, sealed.bytes, entry)).toString("utf8");
  // Written by `sealPayload` and authenticated, so the shape holds.
  return { erased: false, payload: JSON.parse(text) as Payload };
}
