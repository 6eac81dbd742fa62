import { join } from "node:path";
import { readConfig } from "../../src/app/config/config.ts";
import { readEnvironment } from "../../src/app/environment.ts";
import type { RunningNode } from "../../src/app/node/node.ts";
import { launch } from "../../src/app/launch/launch.ts";
import type { Result } from "../../src/base/index.ts";
import { systemClock, systemRandom } from "../../src/base/index.ts";
import type { Principal } from "../../src/identity/index.ts";
import { defaultTenant } from "../../src/identity/index.ts";
import type { Change } from "../../src/store/index.ts";
import { valueOf } from "./value-of.ts";

export interface NodeWishes {
  readonly directory: string;
  /** 0 = any. */
  readonly port: number;
  /** null = it has no server behind it. */
  readonly upstreamPort: number | null;
  /** Of the server's one tool, `bank__pay`. */
  readonly toolClass: "read" | "effect";
  /** null = the built-in ones. */
  readonly policies: string | null;
  /** The data is in the database of this url. Left out: in the directory. */
  readonly database?: string;
}

/** A node in this process, with everything on that a real one has. Resolves once its tool can be called. */
export async function startNode(wishes: NodeWishes): Promise<RunningNode> {
  const { directory, port, upstreamPort, toolClass, policies, database } = wishes;
  const data = {
    directory: join(directory, "data"),
    ...(database === undefined ? {} : { postgres: { url: database } }),
  };
  const yaml = `
listen: { port: ${port} }
data: ${JSON.stringify(data)}
${upstreamPort === null ? "" : `servers: { bank: { url: "http://127.0.0.1:${upstreamPort}/mcp", era: modern, concurrencyMax: 1000, tools: { pay: { class: ${toolClass} } } } }`}
${policies === null ? "" : `policies: { files: [${JSON.stringify(policies)}] }`}
limits: { callsInFlightMax: 4000, perPrincipalCallsMax: 1000 }
`;
  const config = readConfig({ text: yaml, file: join(directory, "signalbox.yaml"), env: {} });
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
  if (upstreamPort === null) return running;
  while (running.registry.callableToolsOf(defaultTenant).length === 0)
    await new Promise((resolve) => setTimeout(resolve, 10));
  return running;
}

export async function made<T>({ store }: RunningNode, change: Result<Change<T>>): Promise<T> {
  const { writes, value, applied } = valueOf(change);
  await store.commit(writes);
  applied();
  return value;
}

/** They share flushes. */
const madeAtOnce = 200;

/** Agents by these names, and a token for each. */
export async function tokensFor(running: RunningNode, names: readonly string[]): Promise<string[]> {
  const { identities } = running;
  const self = valueOf(identities.node(defaultTenant));
  const admin: Principal = valueOf(
    identities.recorded(defaultTenant, valueOf(identities.find(self, "person", "admin")).id),
  );
  const one = async (name: string): Promise<string> => {
    const agent = await made(running, identities.createAgent(admin, { name, roles: [] }));
    return valueOf(identities.issueToken(admin, agent.id)).token;
  };
  const tokens: string[] = [];
  for (let i = 0; i < names.length; i += madeAtOnce)
    tokens.push(...(await Promise.all(names.slice(i, i + madeAtOnce).map(one))));
  return tokens;
}
