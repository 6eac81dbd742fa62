import type { Result, WallMs } from "../base/index.ts";
import { msOf, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import { principalIds } from "./principal-ids.ts";
import type { House } from "./house.ts";
import { namesText } from "./request-meta.ts";
import type { RequestState } from "./round.ts";
import type { Intended, Planned } from "./stages.ts";

interface Sealed extends RequestState {
  readonly v: 1;
  readonly principals: readonly string[];
  readonly expiresAt: number;
}

/** A person reads, thinks and answers; the next morning is another call. */
export const inputWaitMs = 60 * 60_000;
const prefix = "sb1.";
/** Four times what a state holds besides the server's, whose bound `upstream` keeps. */
const stateCharsMax = 512 * 1024;

/** What the caller carries to its next round. Rejects with the store's Fault when there is no key to seal it with. */
export async function sealState(
  call: Planned & Partial<Pick<Intended, "intent">>,
  next: Pick<RequestState, "upstream" | "park"> & Partial<Pick<RequestState, "isForApproval">>,
  house: House,
): Promise<string> {
  const { principal } = call;
  const sealed: Sealed = {
    v: 1,
    call: call.id,
    salt: Buffer.from(call.salt ?? new Uint8Array()).toString("base64"),
    stepDigest: call.stepDigest,
    names: namesText(call.input.meta),
    intent: call.intent ?? null,
    isForApproval: false,
    ...next,
    principals: principalIds(principal),
    expiresAt: msOf(house.clock.wall()) + inputWaitMs,
  };
  const key = await house.keys.scopeKey(scopeOf(principal));
  const bytes = house.keys.seal(key, JSON.stringify(sealed), scopeOf(principal));
  return prefix + Buffer.from(bytes).toString("base64url");
}

/**
 * What is wrong with a state is not told apart: whoever tries learns nothing. Rejects with the store's Fault when there is no key to
 * open it with.
 */
export async function openState(
  text: string,
  principal: Principal,
  house: House,
): Promise<Result<RequestState>> {
  if (!text.startsWith(prefix) || text.length > stateCharsMax) return invalid;
  const key = await house.keys.scopeKey(scopeOf(principal));
  let state: Sealed;
  try {
    const bytes = house.keys.open(
      key,
      Buffer.from(text.slice(prefix.length), "base64url"),
      scopeOf(principal),
    );
    state = JSON.parse(Buffer.from(bytes).toString("utf8")) as Sealed; // our own text: one of our nodes sealed it
  } catch {
    return invalid;
  }
  const isSame = state.v === 1 && principalIds(principal).join("\n") === state.principals.join("\n");
  if (!isSame || isPast(state.expiresAt, house.clock.wall())) return invalid;
  return ok(state);
}

const isPast = (expiresAt: number, now: WallMs): boolean => msOf(now) >= expiresAt;

const scopeOf = (principal: Principal): string => `state/${principal.tenant}`;

const invalid: Result<never> = refuse({ code: "state-invalid", detail: "start the request anew" });
