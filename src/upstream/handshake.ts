import { Fault } from "../base/index.ts";
import type { UpstreamReply } from "./exchange.ts";
import { garbageFault } from "./reply.ts";
import { legacyVersions, modernVersion } from "./request-text.ts";

/** Whether an answer to `server/discover` offers the modern version. */
export function offersModern(reply: UpstreamReply): boolean {
  if (reply.kind !== "result") return false;
  const versions = reply.value["supportedVersions"];
  return Array.isArray(versions) && versions.includes(modernVersion);
}

/** The legacy version that an answer to `initialize` settles on. Throws a Fault when it refuses or names one we don't speak. */
export function acceptedVersion(reply: UpstreamReply, serverName: string): string {
  if (reply.kind !== "result") {
    throw new Fault("upstream-rejected", `${serverName} refused initialize with error ${reply.error.code}`, {
      evidence: { rpc: reply.error.code },
    });
  }
  const version = reply.value["protocolVersion"];
  if (typeof version !== "string" || !legacyVersions.includes(version)) {
    throw garbageFault(serverName, `it speaks protocol version ${JSON.stringify(version)?.slice(0, 40)}`);
  }
  return version;
}
