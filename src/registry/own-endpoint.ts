import type { Transport } from "./records.ts";

/** Where every node serves MCP. */
const endpointPath = "/mcp";

/**
 * Whether a server's address is the MCP endpoint of the node at `nodeUrl` (without a path). As its own server a node would offer its
 * tools to itself, prefixed once more with every listing. Compares addresses as they are written: looks no name up.
 */
export function isOwnEndpoint(transport: Transport, nodeUrl: string): boolean {
  if (transport.kind !== "http" || !URL.canParse(transport.url) || !URL.canParse(nodeUrl)) return false;
  const [server, node] = [new URL(transport.url), new URL(nodeUrl)];
  if (server.pathname !== endpointPath || portOf(server) !== portOf(node)) return false;
  const [there, here] = [hostOf(server), hostOf(node)];
  return there === here || (isThisMachine(there) && isThisMachine(here));
}

const portOf = ({ port, protocol }: URL): string => port || (protocol === "https:" ? "443" : "80");

const hostOf = ({ hostname }: URL): string => hostname.replace(/\.$/, "");

/** Loopback addresses, their names, and the unspecified address: listening there is everywhere, connecting there is loopback. */
const isThisMachine = (host: string): boolean =>
  /^(?:127\.\d+\.\d+\.\d+|0\.0\.0\.0|(?:.+\.)?localhost|\[::1?\]|\[::ffff:(?:7f[0-9a-f]{2}:[0-9a-f]+|0:0)\])$/.test(
    host,
  );
