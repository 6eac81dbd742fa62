/** What a WWW-Authenticate header says about getting in (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1). */
export interface Challenge {
  readonly scheme: "bearer" | "dpop";
  readonly error: string | null;
  readonly scope: string | null;
  readonly resourceMetadata: string | null;
}

/** Longer headers are a stranger's game. */
const headerCharsMax = 8_192;

/** A scheme opens a challenge; `name=value` belongs to the last one. Values are tokens or quoted, RFC 9110 section 11.2. */
const part =
  /([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64})(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([A-Za-z0-9!#$%&'*+.^_`|~:/?@-]+))|(?=\s|,|$))/gy;
const between = /[\s,]+/y;

/** The first Bearer or DPoP challenge of all; null = there is none. DPoP wins, for it is the stricter one. */
export function readChallenge(header: string | string[] | undefined): Challenge | null {
  const text = Array.isArray(header) ? header.join(", ") : (header ?? "");
  const found = challengesIn(text.slice(0, headerCharsMax));
  return found.find(({ scheme }) => scheme === "dpop") ?? found[0] ?? null;
}

function challengesIn(text: string): readonly Challenge[] {
  const found: { scheme: string; params: Map<string, string> }[] = [];
  for (let at = 0; at < text.length;) {
    between.lastIndex = at;
    if (between.test(text)) {
      at = between.lastIndex;
      continue;
    }
    part.lastIndex = at;
    const match = part.exec(text);
    if (match === null) {
      // A scheme with a bare value (token68), or nothing we know: the next comma may begin another one.
      const comma = text.indexOf(",", at);
      if (comma === -1) break;
      at = comma;
      continue;
    }
    at = part.lastIndex;
    const [, name = "", quoted, plain] = match;
    const value = quoted?.replaceAll(/\\(.)/g, "$1") ?? plain;
    if (value === undefined) found.push({ scheme: name.toLowerCase(), params: new Map() });
    else found.at(-1)?.params.set(name.toLowerCase(), value);
  }
  return found.flatMap(({ scheme, params }) =>
    scheme === "bearer" || scheme === "dpop"
      ? [
          {
            scheme,
            error: params.get("error") ?? null,
            scope: params.get("scope") ?? null,
            resourceMetadata: params.get("resource_metadata") ?? null,
          },
        ]
      : [],
  );
}

/** Each scope once, in the order they come; null = none at all. */
export function scopeUnion(...scopes: readonly (string | null)[]): string | null {
  const union = new Set(scopes.flatMap((scope) => (scope ?? "").split(" ").filter((each) => each !== "")));
  return union.size === 0 ? null : [...union].join(" ");
}

/** Whether every scope of `needed` is in `given`. */
export function covers(given: string | null, needed: string | null): boolean {
  const have = new Set((given ?? "").split(" "));
  return (needed ?? "").split(" ").every((scope) => scope === "" || have.has(scope));
}
