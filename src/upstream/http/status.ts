import { Fault } from "../../base/index.ts";

/**
 * HTTP statuses that say the request was turned away before anything was done. 400 is not among them: servers also use it for
 * what they found out half-way.
 */
const turnedAway: ReadonlySet<number> = new Set([
  307, 308, 401, 403, 404, 405, 406, 411, 413, 414, 415, 417, 421, 426, 429, 431,
]);

export const isTurnedAway = (status: number): boolean => turnedAway.has(status);

/** What an HTTP status means when no JSON-RPC answer came with it. Bodies never get into messages. */
export function faultFromStatus(status: number, serverName: string): Fault {
  const evidence = { status };
  if (status === 401 || status === 403) {
    return new Fault("upstream-rejected", `${serverName} refused the credential (HTTP ${status})`, {
      evidence,
    });
  }
  if (status === 429) {
    return new Fault("upstream-rejected", `${serverName} is being asked too often (HTTP 429)`, {
      retry: "later",
      evidence,
    });
  }
  if (status === 307 || status === 308) {
    return new Fault(
      "upstream-rejected",
      `${serverName} redirects (HTTP ${status}); redirects are not followed`,
      {
        evidence,
      },
    );
  }
  if (turnedAway.has(status)) {
    return new Fault("upstream-rejected", `${serverName} turned the request away (HTTP ${status})`, {
      evidence,
    });
  }
  if (status >= 500) {
    return new Fault("upstream-lost", `${serverName} failed (HTTP ${status})`, { evidence });
  }
  return new Fault("upstream-garbage", `${serverName} answered HTTP ${status} without a JSON-RPC answer`, {
    evidence,
  });
}
