import { Fault } from "../base/index.ts";
import type { UpstreamReply } from "./exchange.ts";
import { isObject } from "./message.ts";
import { garbageFault } from "./reply.ts";
import { legacyVersions, modernVersion } from "./request-text.ts";
import type { Described } from "./wire.ts";

/** Instructions are read by a model with every conversation: a page or two. */
const instructionsCharsMax = 16 * 1024;

/** What a modern server says of itself in answer to `server/discover`; null = it does not offer the modern version. */
export function modernDescription(reply: UpstreamReply): Described | null {
  if (reply.kind !== "result") return null;
  const versions = reply.value["supportedVersions"];
  if (!Array.isArray(versions) || !versions.includes(modernVersion)) return null;
  return descriptionIn(reply.value);
}

/** `capabilities`, `serverInfo` (in the newer era it stands in `_meta`) and `instructions` of `server/discover` or `initialize`. */
function descriptionIn(value: Readonly<Record<string, unknown>>): Described {
  const { capabilities, instructions, _meta: meta } = value;
  const info = isObject(meta) ? meta["io.modelcontextprotocol/serverInfo"] : undefined;
  const serverInfo = info ?? value["serverInfo"];
  return {
    capabilities: isObject(capabilities) ? capabilities : {},
    serverInfo: isObject(serverInfo) ? serverInfo : null,
    instructions: typeof instructions === "string" ? instructions.slice(0, instructionsCharsMax) : null,
  };
}

/** What an answer to `initialize` settles on. Throws a Fault when it refuses or names a version that we don't speak. */
export function initialized(
  reply: UpstreamReply,
  serverName: string,
): { readonly version: string; readonly described: Described } {
  if (reply.kind === "rejected" || reply.kind === "error") {
    throw new Fault("upstream-rejected", `${serverName} refused initialize with error ${reply.error.code}`, {
      evidence: { rpc: reply.error.code },
    });
  }
  if (reply.kind !== "result") throw garbageFault(serverName, "it does not answer initialize");
  const version = reply.value["protocolVersion"];
  if (typeof version !== "string" || !legacyVersions.includes(version)) {
    throw garbageFault(serverName, `it speaks protocol version ${JSON.stringify(version)?.slice(0, 40)}`);
  }
  return { version, described: descriptionIn(reply.value) };
}
