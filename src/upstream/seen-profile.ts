import type { Era, Profile } from "../registry/index.ts";
import { noCapabilities, profileOf } from "../registry/index.ts";
import { legacyCapabilities } from "./request-text.ts";

/**
 * What a server sees of a caller's capabilities. A modern one is told them with each request. A legacy one was told when the
 * connection was made, so callers share a connection where they differ in nothing that is declared there.
 */
export function seenProfile(profile: Profile, era: Era): Profile {
  if (era === "modern" || profile.key === noCapabilities.key) return profile;
  let seen = known.get(profile);
  if (seen === undefined) {
    seen = profileOf(legacyCapabilities(profile));
    known.set(profile, seen);
  }
  return seen;
}

const known = new WeakMap<Profile, Profile>();
