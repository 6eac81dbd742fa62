import { lookup } from "node:dns";
import type { LookupAddress, LookupAllOptions } from "node:dns";
import { isIP } from "node:net";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import type { buildConnector as Connecting } from "undici";
import { NetFailure } from "./failure.ts";
import { buildConnector } from "./undici.ts";

/**
 * Beyond public addresses, what may be connected to. `loopback` is this machine; `private` is RFC 1918, unique local IPv6 and
 * the carrier-grade range that overlay networks use. Link-local addresses (cloud metadata) are never allowed.
 */
export type AddressScope = "loopback" | "private";

/** null = neither public, loopback nor private: nothing may connect to it. */
function addressScopeOf(address: string): AddressScope | "public" | null {
  // A zone id ("fe80::1%eth0") only occurs on link-local addresses, which are refused either way.
  const bare = address.split("%", 1)[0] ?? address;
  if (!ipaddr.isValid(bare)) return null;
  const range = ipaddr.process(bare).range(); // process() unwraps ::ffff:127.0.0.1 to the IPv4 address it means
  switch (range) {
    case "unicast":
      return "public";
    case "loopback":
      return "loopback";
    case "private":
    case "uniqueLocal":
    case "carrierGradeNat":
      return "private";
    case "unspecified":
    case "multicast":
    case "linkLocal":
    case "reserved":
    case "benchmarking":
    case "amt":
    case "broadcast":
    case "as112":
    case "ipv4Mapped":
    case "rfc6145":
    case "rfc6052":
    case "6to4":
    case "teredo":
    case "as112v6":
    case "orchid2":
    case "droneRemoteIdProtocolEntityTags":
      return null;
  }
  return null; // ranges the type list of the library does not name (site-local, discard, segment routing …)
}

function isAddressAllowed(address: string, allow: readonly AddressScope[]): boolean {
  const scope = addressScopeOf(address);
  return scope !== null && (scope === "public" || allow.includes(scope));
}

/** As `lookup` of node:dns for all addresses of a name. */
export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

export interface GuardOptions {
  readonly allow: readonly AddressScope[];
  readonly connectTimeoutMs: number;
  /** PEM; null = the certificates Node trusts. */
  readonly ca: string | null;
  /** Name resolution; left out = the system's. */
  readonly resolve?: Resolve;
}

/**
 * A connector for undici that checks each address at connect time. Addresses written in the URL never reach `lookup`, so they
 * are checked here; names are resolved once per connection and only allowed addresses are handed on.
 */
export function guardedConnector(options: GuardOptions): Connecting.connector {
  const connect = buildConnector({
    allowH2: false,
    timeout: options.connectTimeoutMs,
    lookup: guardedLookup(options),
    ...(options.ca === null ? {} : { ca: options.ca }),
  });
  return (target, callback) => {
    if (isIP(target.hostname) !== 0 && !isAddressAllowed(target.hostname, options.allow)) {
      callback(refusedAddress(target.hostname, [target.hostname]), null);
      return;
    }
    connect(target, callback);
  };
}

function guardedLookup(options: GuardOptions): LookupFunction {
  const resolve: Resolve = options.resolve ?? lookup;
  return (hostname, lookupOptions, callback) => {
    resolve(hostname, { ...lookupOptions, all: true }, (error, found) => {
      if (error !== null) {
        callback(new NetFailure("dns", false, `${hostname} cannot be resolved`, error), "", 0);
        return;
      }
      const allowed = found.filter((entry) => isAddressAllowed(entry.address, options.allow));
      const first = allowed[0];
      if (first === undefined) {
        const addresses = found.map((entry) => entry.address);
        callback(refusedAddress(hostname, addresses), "", 0);
      } else if (lookupOptions.all === true) {
        callback(null, allowed);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

function refusedAddress(hostname: string, addresses: readonly string[]): NetFailure {
  const shown = addresses.slice(0, 4).join(", ");
  return new NetFailure(
    "refused-address",
    false,
    `${hostname} leads to ${shown}, which this server may not reach (only public addresses, unless allowed)`,
  );
}
