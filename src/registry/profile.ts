import { canonicalJson, sha256Hex } from "../base/index.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * What a client can do for a server that asks back, and which extensions it speaks: its `clientCapabilities`, of which a server
 * makes its catalogue depend. Two clients with the same `key` are shown the same catalogue.
 */
export interface Profile {
  /** RFC 8785 text of `capabilities`; "{}" = nothing was declared. */
  readonly key: string;
  readonly capabilities: JsonObject;
}

/** A client that declares more than this is treated as if it had declared nothing: profiles are kept, and compared as text. */
const profileCharsMax = 4_096;

const empty: JsonObject = {};
export const noCapabilities: Profile = { key: "{}", capabilities: empty };

/** `capabilities` as the client sent them, from `parseStrictJson`. */
export function profileOf(capabilities: unknown): Profile {
  if (typeof capabilities !== "object" || capabilities === null || Array.isArray(capabilities))
    return noCapabilities;
  const declared = capabilities as JsonObject;
  if (Object.keys(declared).length === 0) return noCapabilities;
  const key = canonicalJson(declared);
  return key.length > profileCharsMax ? noCapabilities : { key, capabilities: declared };
}

/** How a tool's record names the profile it was first offered to; null = the base. */
export const homeOf = (profile: Profile): string | null =>
  profile.key === noCapabilities.key ? null : sha256Hex(profile.key);
