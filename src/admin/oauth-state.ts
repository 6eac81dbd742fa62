import type { PrincipalId, TenantId } from "../identity/index.ts";
import { Fault } from "../base/index.ts";
import type { ServerId } from "../registry/index.ts";
import type { House } from "./house.ts";

/** Who started which authorization: all that an answer from outside has to bring back. */
export interface StateOf {
  readonly tenant: TenantId;
  readonly server: ServerId;
  readonly person: PrincipalId;
}

const scope = "oauth-state";
const boundTo = "oauth-state/1";
/** Longer ones are not ours. */
const stateCharsMax = 2_048;

/** The `state` of an authorization: sealed, so that nobody outside can read or make one. Whether it is still awaited is kept elsewhere. */
export async function sealState(house: House, state: StateOf): Promise<string> {
  const nonce = Buffer.from(house.random.bytes(16)).toString("base64url");
  const key = await house.keys.scopeKey(scope);
  const sealed = house.keys.seal(key, JSON.stringify({ ...state, nonce }), boundTo);
  return Buffer.from(sealed).toString("base64url");
}

/** null = not one of ours. */
export async function openState(house: House, text: string): Promise<StateOf | null> {
  if (text === "" || text.length > stateCharsMax || !/^[A-Za-z0-9_-]+$/.test(text)) return null;
  const key = await house.keys.scopeKey(scope);
  try {
    const opened = house.keys.open(key, Buffer.from(text, "base64url"), boundTo);
    return JSON.parse(Buffer.from(opened).toString()) as StateOf; // sealed by us
  } catch (thrown) {
    if (thrown instanceof Fault) return null;
    throw thrown;
  }
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** What the person who started it types where it ends: 40 bits, as `xxxx-xxxx`. */
export function newConfirmation(house: House): string {
  const text = [...house.random.bytes(8)].map((byte) => alphabet[byte % alphabet.length]).join("");
  return `${text.slice(0, 4)}-${text.slice(4)}`;
}

/** As people type it. */
export const typedConfirmation = (text: string): string => {
  const bare = text.toLowerCase().replaceAll(/[^0-9a-z]/g, "");
  return `${bare.slice(0, 4)}-${bare.slice(4, 64)}`;
};
