import type { Described } from "../calls/index.ts";
import type { Principal } from "../identity/index.ts";
import type { JsonObject } from "./envelope.ts";
import type { EdgeOptions } from "./options.ts";

/** What we say of ourselves to one caller, for `server/discover` and `initialize`. */
export interface Description {
  readonly capabilities: JsonObject;
  /** Ours, then those of the servers; null = none. */
  readonly instructions: string | null;
}

/** `names`: the capabilities the era knows. Others are left out, because what cannot be carried is not offered. */
export function describe(
  options: Pick<EdgeOptions, "calls" | "instructions">,
  principal: Principal,
  names: readonly string[],
): Description {
  return descriptionOf(options, options.calls.describe(principal), names);
}

export function descriptionOf(
  options: Pick<EdgeOptions, "instructions">,
  described: Described,
  names: readonly string[],
): Description {
  const capabilities = Object.fromEntries(
    Object.entries(described.capabilities).filter(([name]) => names.includes(name)),
  );
  const texts = [options.instructions, described.instructions].filter((text) => text !== null);
  return { capabilities, instructions: texts.length === 0 ? null : texts.join("\n\n") };
}
