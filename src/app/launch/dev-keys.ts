import { Fault } from "../../base/index.ts";
import type { PrincipalRecord, TenantId } from "../../identity/index.ts";
import { adminName, systemTenant } from "../../identity/index.ts";
import type { Config } from "../config/config.ts";
import type { ConnectionFile } from "./connection-file.ts";
import { agentKeyFileIn, readAgentKey, readConnectionFile, writeConnectionFile } from "./connection-file.ts";
import { act, keptKey, nodeOf } from "./keys.ts";
import type { RunningNode } from "../node/node.ts";
import { writePrivateFile } from "../data/private-file.ts";

const agentName = "dev";
const agentLabel = "signalbox dev";
const cliLabel = "command line of this machine";

/**
 * The key of the agent "dev", which is made at the first start: the same at every start, so that clients keep working. Null = somebody
 * disabled that agent, and starting anew is no reason to let it in again.
 */
export async function devAgentKey(running: RunningNode, config: Config): Promise<string | null> {
  const node = nodeOf(running, config.tenant);
  const { identities } = running;
  const found = identities.find(node, "agent", agentName);
  const fresh = { name: agentName, roles: [] };
  const agent = found.ok
    ? found.value
    : await act(running, node, "admin.agent.create", null, identities.createAgent(node, fresh), fresh);
  if (!agent.enabled) return null;
  const known = readAgentKey(config.data.directory);
  const key = await keptKey(running, agent, agentLabel, known);
  if (key !== known) writePrivateFile(agentKeyFileIn(config.data.directory), `${key}\n`);
  return key;
}

/** Leaves what the command line of this machine needs in the data directory, which only its owner may enter. */
export async function leaveConnection(running: RunningNode, config: Config): Promise<ConnectionFile> {
  const read = readConnectionFile(config.data.directory);
  const known = read.kind === "found" ? read.connection : null;
  const connection: ConnectionFile = {
    url: running.url,
    token: await keptKey(running, adminOf(running, config.tenant), cliLabel, known?.token ?? null),
    systemToken: await keptKey(running, adminOf(running, systemTenant), cliLabel, known?.systemToken ?? null),
  };
  writeConnectionFile(config.data.directory, connection);
  return connection;
}

function adminOf(running: RunningNode, tenant: TenantId): PrincipalRecord {
  const admin = running.identities.find(nodeOf(running, tenant), "person", adminName);
  if (!admin.ok) throw new Fault("config-invalid", `tenant "${tenant}" has no person "${adminName}"`);
  return admin.value;
}
