import { join } from "node:path";
import { systemClock, systemRandom } from "../src/base/index.ts";
import { readConfig } from "../src/app/config/config.ts";
import { readEnvironment } from "../src/app/environment.ts";
import { launch } from "../src/app/launch/launch.ts";
import type { RunningNode } from "../src/app/node/node.ts";
import { defaultTenant } from "../src/identity/index.ts";

/** How many flushes carried how many transactions: what the group commit makes of the load. */
export interface StoreStats {
  readonly flushes: number;
  readonly transactions: number;
}

/**
 * The gateway that bench/calls.ts measures. A module of its own: what the ruler beside it must not carry is not even loaded there. Resolves
 * once all of the upstream's `toolCount` tools can be called.
 */
export async function startGateway(
  directory: string,
  upstreamPort: number,
  policies: string,
  toolCount: number,
): Promise<{ port: number; token: string; stats: () => StoreStats }> {
  const text = `
listen: { port: 0 }
data: { directory: ${JSON.stringify(join(directory, "data"))} }
servers:
  files:
    url: http://127.0.0.1:${upstreamPort}/mcp
    era: modern
    concurrencyMax: 1000
    tools: { read_file: { class: read } }
policies: { files: [${JSON.stringify(policies)}] }
limits: { callsInFlightMax: 2000, perPrincipalCallsMax: 1000 }
`;
  const config = readConfig({ text, file: join(directory, "signalbox.yaml"), env: {} });
  if (!config.ok) throw new Error(JSON.stringify(config.refusal));
  const destination = { kind: "file", path: join(directory, "calls.jsonl") } as const;
  const launched = await launch("dev", config.value, destination, {
    environment: readEnvironment(),
    clock: systemClock,
    random: systemRandom,
    say: null,
    onFatal: (reason) => {
      throw new Error(reason);
    },
  });
  process.on("disconnect", () => void launched.stop().then(() => process.exit(0)));
  const { running } = launched;
  const admin = running.identities.find(boss(running), "person", "admin");
  if (!admin.ok) throw new Error(admin.refusal.detail);
  const actor = running.identities.recorded(defaultTenant, admin.value.id);
  if (!actor.ok) throw new Error(actor.refusal.detail);
  const agent = running.identities.createAgent(actor.value, { name: "bench", roles: [] });
  if (!agent.ok) throw new Error(agent.refusal.detail);
  await running.store.commit(agent.value.writes);
  agent.value.applied();
  const token = running.identities.issueToken(actor.value, agent.value.value.id);
  if (!token.ok) throw new Error(token.refusal.detail);
  while (running.registry.callableToolsOf(defaultTenant).length < toolCount) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return {
    port: Number(new URL(running.url).port),
    token: token.value.token,
    stats: () => running.store.stats(),
  };
}

function boss(running: RunningNode) {
  const node = running.identities.node(defaultTenant);
  if (!node.ok) throw new Error(node.refusal.detail);
  return node.value;
}
