import type { Transport } from "./records.ts";

/** Where every node serves MCP. */
const endpointPath = "/mcp";

/**
 * Whether a server's address is the MCP endpoint of the node at `nodeUrl` (without a path). As its own server a node would offer its
 * tools to itself, prefixed once more with every listing; so it would through its own bridge on stdio. Compares addresses as they are written: looks no name up.
 */
export function isOwnEndpoint(transport: Transport, nodeUrl: string): boolean {
  if (transport.kind === "stdio") return isOwnBridge(transport);
  if (!URL.canParse(transport.url) || !URL.canParse(nodeUrl)) return false;
  const [server, node] = [new URL(transport.url), new URL(nodeUrl)];
  if (server.pathname !== endpointPath || portOf(server) !== portOf(node)) return false;
  const [there, here] = [hostOf(server), hostOf(node)];
  return there === here || (isThisMachine(there) && isThisMachine(here));
}

/** `signalbox stdio` without a named node finds this one: desktop clients list it among their servers. */
function isOwnBridge({ command, args }: Extract<Transport, { kind: "stdio" }>): boolean {
  const words = [command, ...args];
  const program = words[words.indexOf("stdio") - 1] ?? "";
  return ownProgram.test(program) && !words.some((word) => word === "--url" || word.startsWith("--url="));
}

/** As it is on PATH, as npx is told, and as a file of the package or of a checkout. */
const ownProgram = /(?:^|[\\/])signalbox(?:@[^\\/]*)?$|(?:^|[\\/])src[\\/]cli[\\/]main\.[jt]s$/;

const portOf = ({ port, protocol }: URL): string => port || (protocol === "https:" ? "443" : "80");

const hostOf = ({ hostname }: URL): string => hostname.replace(/\.$/, "");

/** Loopback addresses, their names, and the unspecified address: listening there is everywhere, connecting there is loopback. */
const isThisMachine = (host: string): boolean =>
  /^(?:127\.\d+\.\d+\.\d+|0\.0\.0\.0|(?:.+\.)?localhost|\[::1?\]|\[::ffff:(?:7f[0-9a-f]{2}:[0-9a-f]+|0:0)\])$/.test(
    host,
  );
