import { Resolver } from "node:dns";
import type { LookupAddress } from "node:dns";
import type { Resolve } from "./address-guard.ts";

/** Of two: a person waits, and whoever owns the name decides how long its servers take. */
const tryMs = 800;

/**
 * Asks name servers itself. `lookup` has the system ask, which nothing ends, on the few threads that all names of the process share: names
 * that strangers make up, at servers that never answer, would keep those of upstream servers waiting. Finds only what is in the DNS,
 * nothing from a hosts file. `servers`: other ones than the system's, as `address:port`.
 */
export function nameServers(servers: readonly string[] | null = null): Resolve {
  const resolver = new Resolver({ timeout: tryMs, tries: 2 });
  if (servers !== null) resolver.setServers(servers);
  return (hostname, _options, callback) => {
    const found: LookupAddress[] = [];
    let isOneAnswered = false;
    const answered =
      (family: number) => (error: NodeJS.ErrnoException | null, addresses: readonly string[]) => {
        if (error === null) found.push(...addresses.map((address) => ({ address, family })));
        if (isOneAnswered)
          callback(
            found.length > 0 ? null : error,
            found.toSorted((one, other) => one.family - other.family),
          );
        isOneAnswered = true;
      };
    resolver.resolve4(hostname, answered(4));
    resolver.resolve6(hostname, answered(6));
  };
}
