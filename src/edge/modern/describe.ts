import type { Described } from "../../calls/index.ts";
import type { Principal } from "../../identity/index.ts";
import { modernVersions } from "../classify.ts";
import { descriptionOf } from "../description.ts";
import { envelopeKeys } from "../envelope.ts";
import type { EdgeBounds, EdgeOptions } from "../options.ts";

/** The server capabilities that this revision knows and this edge carries. */
const carried = ["tools", "resources", "prompts", "completions", "logging", "extensions", "experimental"];

/**
 * The result of `server/discover`, private like every list: what there is depends on who asks. Its text is kept for as long as
 * `calls` gives the same description.
 */
export function createDiscover(context: {
  readonly options: EdgeOptions;
  readonly bounds: EdgeBounds;
}): (principal: Principal) => string {
  const { options, bounds } = context;
  const texts = new WeakMap<Described, string>();
  return (principal) => {
    const described = options.calls.describe(principal);
    const known = texts.get(described);
    if (known !== undefined) return known;
    const { capabilities, instructions } = descriptionOf(options, described, carried);
    const text = JSON.stringify({
      resultType: "complete",
      supportedVersions: modernVersions,
      capabilities,
      ...(instructions === null ? {} : { instructions }),
      ttlMs: bounds.listTtlMs,
      cacheScope: "private",
      _meta: { [envelopeKeys.serverInfo]: options.serverInfo },
    });
    texts.set(described, text);
    return text;
  };
}
