import type { Authority } from "./authority.ts";
import type { Calls } from "./calls.ts";
import type { Data } from "./data.ts";
import type { RunsPart } from "./runs.ts";
import type { Servers } from "./servers.ts";
import type { Trust } from "./trust.ts";

/** Everything behind the doors. */
export interface Parts {
  readonly data: Data;
  readonly trust: Trust;
  readonly authority: Authority;
  readonly servers: Servers;
  readonly calls: Calls;
  readonly runs: RunsPart;
}
