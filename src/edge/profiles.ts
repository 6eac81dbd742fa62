import type { Profile } from "../registry/index.ts";
import { noCapabilities, profileOf } from "../registry/index.ts";
import { isObject } from "./envelope.ts";

/** Clients of one kind declare the same; a deployment sees a few dozen kinds. */
const profilesMax = 256;
/** Longer ones are as good as none for `profileOf`, whose canonical form has the same length. */
const textCharsMax = 4_096;

/**
 * The profile of what a client declared. Nearly every request declares what one before it did, word for word, so the canonical
 * form is made once per wording. A profile holds capabilities and nothing of who declared them, so callers may share it.
 */
export class Profiles {
  private readonly byText = new Map<string, Profile>();

  /** `capabilities` as sent, from `parseStrictJson`. */
  of(capabilities: unknown): Profile {
    if (!isObject(capabilities) || isEmpty(capabilities)) return noCapabilities;
    const text = JSON.stringify(capabilities);
    const known = this.byText.get(text);
    if (known !== undefined) return known;
    if (text.length > textCharsMax) return noCapabilities;
    const profile = profileOf(capabilities);
    // Beginning anew is enough: what is in use comes back with the next request.
    if (this.byText.size >= profilesMax) this.byText.clear();
    this.byText.set(text, profile);
    return profile;
  }
}

function isEmpty(object: object): boolean {
  for (const _ in object) return false;
  return true;
}
