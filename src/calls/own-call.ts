import type { Clock } from "../base/index.ts";
import { noCapabilities } from "../registry/index.ts";
import type { CallInput } from "./call.ts";
import { neverAborts } from "./request-meta.ts";

type Wish = Pick<CallInput, "requestId" | "authenticate" | "name" | "arguments"> & Partial<CallInput>;

/** A tool call that the node begins itself: unless `wish` says otherwise, nobody is there to be asked or told anything meanwhile. */
export const ownCall = (wish: Wish, clock: Clock): CallInput => ({
  method: "tools/call",
  meta: {},
  deadline: null,
  signal: neverAborts,
  profile: noCapabilities,
  logLevel: null,
  round: null,
  ask: null,
  onLog: null,
  onProgress: null,
  receivedAt: clock.monotonic(),
  ...wish,
});
