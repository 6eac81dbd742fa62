import type { WallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { printable } from "./diff.ts";
import type { Health, ServerId } from "./records.ts";

/** A server's or (with `tool`, its id) a tool's health moved to another state or cause. `from` null = nothing was known. */
export interface HealthTransition {
  readonly tenant: TenantId;
  readonly server: ServerId;
  readonly tool: string | null;
  readonly from: Health | null;
  readonly to: Health;
}

/** A sentence or two; a stack trace belongs in the log. */
const reasonMax = 500;

/** This node's view of what works. In memory only: it is found out anew after a start. */
export class HealthBoard {
  private readonly servers = new Map<ServerId, Health>();
  private readonly tools = new Map<ServerId, Map<string, Health>>();

  clear(): void {
    this.servers.clear();
    this.tools.clear();
  }

  forget(server: ServerId): void {
    this.servers.delete(server);
    this.tools.delete(server);
  }

  /** A server of which nothing was heard is about to be connected. */
  server(id: ServerId, since: WallMs): Health {
    let health = this.servers.get(id);
    if (health === undefined) {
      health = { state: "connecting", since };
      this.servers.set(id, health);
    }
    return health;
  }

  tool(server: ServerId, tool: string): Health | null {
    return this.tools.get(server)?.get(tool) ?? null;
  }

  /** True when state or cause are others than before. While they stay, `since` stays; only the reason is renewed. */
  putServer(id: ServerId, health: Health): boolean {
    const old = this.servers.get(id);
    this.servers.set(id, renewed(old ?? null, health));
    return old === undefined || isTransition(old, health);
  }

  /** A tool without news of its own has its server's health, so `healthy` is kept by forgetting. */
  putTool(server: ServerId, tool: string, health: Health): boolean {
    const tools = this.tools.get(server) ?? new Map<string, Health>();
    this.tools.set(server, tools);
    const old = tools.get(tool) ?? null;
    if (health.state === "healthy") return tools.delete(tool);
    tools.set(tool, renewed(old, health));
    return old === null || isTransition(old, health);
  }
}

/** The worse of the two; of equals the server's, because it explains the tool's. */
export function combined(server: Health, tool: Health | null): Health {
  return tool !== null && rank[tool.state] > rank[server.state] ? tool : server;
}

const rank = { healthy: 0, connecting: 1, degraded: 2, down: 3 } as const satisfies Record<
  Health["state"],
  number
>;

const isTransition = (from: Health, to: Health): boolean =>
  from.state !== to.state || causeOf(from) !== causeOf(to);

const causeOf = (health: Health): string | null => ("cause" in health ? health.cause : null);

function renewed(old: Health | null, health: Health): Health {
  const since = old !== null && !isTransition(old, health) ? old.since : health.since;
  if (!("reason" in health)) return Object.freeze({ ...health, since });
  return Object.freeze({ ...health, since, reason: printable(health.reason.slice(0, reasonMax)) });
}
