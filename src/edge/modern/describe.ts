import { envelopeKeys } from "../envelope.ts";
import { modernVersions } from "../classify.ts";

/**
 * The result of `server/discover`; the same for everybody, so its text is made once. `listChanged` is not offered: it needs
 * `subscriptions/listen`.
 */
export function discoverText(options: {
  readonly serverInfo: { readonly name: string; readonly title?: string; readonly version: string };
  readonly instructions: string | null;
  readonly listTtlMs: number;
}): string {
  return JSON.stringify({
    resultType: "complete",
    supportedVersions: modernVersions,
    capabilities: { tools: {} },
    ...(options.instructions === null ? {} : { instructions: options.instructions }),
    ttlMs: options.listTtlMs,
    cacheScope: "private",
    _meta: { [envelopeKeys.serverInfo]: options.serverInfo },
  });
}
