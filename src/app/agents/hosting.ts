import { dirname } from "node:path";
import type { Refusal } from "../../../contract/index.ts";
import type { Acts } from "../../admin/index.ts";
import type { Clock, Result } from "../../base/index.ts";
import { Fault, ok, refuse } from "../../base/index.ts";
import type { Identities, Principal, PrincipalId, TenantId } from "../../identity/index.ts";
import type { SecretText } from "../../registry/index.ts";
import type { StartOrder } from "../../runs/index.ts";
import { HostedAgent, renewEveryMs } from "../../runs/index.ts";
import type { Log } from "../../telemetry/index.ts";
import { pickEnvironment } from "../../upstream/index.ts";
import type { Vault } from "../../vault/index.ts";
import type { AgentSettings } from "../config/agents.ts";
import type { Environment } from "../environment.ts";
import { inputCheck } from "./hosted-input.ts";

/** Renewed long before: a node that is busy for a while does not lock its agents out. */
const tokenTtlMs = 3 * renewEveryMs;

export interface HostingOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly vault: Pick<Vault, "reveal">;
  readonly identities: Identities;
  readonly acts: Acts;
  readonly environment: Environment;
  readonly tenant: TenantId;
  readonly agents: readonly AgentSettings[];
  /** Of this node, without a path; null = it does not listen yet. */
  readonly url: () => string | null;
  readonly onLost: (orders: readonly StartOrder[], reason: string, isOurDoing: boolean) => Promise<void>;
}

/** An agent that new runs can be started of. */
export interface Hosted {
  readonly owner: Principal;
  /** What drives its new runs. */
  readonly hook: string;
  /** Of a run whose start names none; null = the longest that a run may last. */
  readonly deadlineMs: number | null;
  /** What a run is given that is started with this: defaults filled in, and refused where it does not fit the agent's schema. */
  readonly inputOf: (input: unknown) => Result<unknown>;
  /** Of each new run; null = any number. */
  readonly tokensMax: number | null;
}

/** The hosted agents of the configuration file: who they are, and what drives each of their versions. */
export class Hosting {
  private readonly options: HostingOptions;
  private readonly checks: ReadonlyMap<string, Hosted["inputOf"]>;

  constructor(options: HostingOptions) {
    this.options = options;
    this.checks = new Map(options.agents.map(({ name, input }) => [name, inputCheck(input)]));
  }

  /** By `agent@version`: no name of a hook that an agent could give has that character. */
  hooks(): readonly (readonly [string, HostedAgent])[] {
    return this.options.agents.flatMap((settings) =>
      Object.entries(settings.modules).map(
        ([version, module]) =>
          [hookOf(settings.name, version), this.hosted(settings, version, module)] as const,
      ),
    );
  }

  /** Makes the agents that the tenant does not have yet, as acts of the node. */
  async makeAgents(node: Principal): Promise<void> {
    const { identities, acts, agents } = this.options;
    for (const { name } of agents) {
      if (!identities.find(node, "agent", name).ok) await identities.refreshIfChanged();
      if (identities.find(node, "agent", name).ok) continue;
      const fresh = { name, roles: [] };
      const change = identities.createAgent(node, fresh);
      if (!change.ok) throw new Fault("config-invalid", `agent ${name}: ${change.refusal.detail}`);
      const act = { actor: node, action: "admin.agent.create", decision: null };
      const made = await acts.perform(act, change.value.value.id, change.value, { ...fresh, hosted: true });
      if (made.ok) continue;
      await identities.refreshIfChanged(); // another node may have made it at the same moment
      if (!identities.find(node, "agent", name).ok) throw new Fault(made.refusal.code, made.refusal.detail);
    }
  }

  find(tenant: TenantId, name: string): Result<Hosted> {
    const settings = this.options.agents.find((each) => each.name === name);
    if (settings === undefined || tenant !== this.options.tenant)
      return refuse({ code: "not-found", detail: `The configuration has no agent "${name}".` });
    const owner = this.principal(name);
    if (!owner.ok) return owner;
    const { version, deadlineMs, tokensMax } = settings;
    const inputOf = this.checks.get(name) ?? ok;
    return ok({ owner: owner.value, hook: hookOf(name, version), deadlineMs, tokensMax, inputOf });
  }

  private hosted(settings: AgentSettings, version: string, module: string): HostedAgent {
    const { clock, log, url, onLost, tenant, environment } = this.options;
    const { name, env, runsMax, startsMax, retries, onContextExhausted } = settings;
    return new HostedAgent({
      clock,
      name,
      version,
      module,
      directory: dirname(module),
      startsMax,
      retries,
      runsMax,
      onContextExhausted,
      isFor: (owner) => owner.tenant === tenant && owner.kind === "agent" && owner.name === name,
      environment: async () => ({
        ...pickEnvironment(environment.variables),
        ...(await this.revealed(env)),
      }),
      url,
      ownerOf: ({ owner }) => (owner === this.principalId(name) ? null : owner),
      token: (owner) => this.token(name, owner),
      onLost: (orders, reason, isOurDoing) => {
        if (orders.length > 0)
          log.warn("runs of a hosted agent did not get on", {
            agent: name,
            version,
            runs: orders.length,
            reason,
          });
        return onLost(orders, reason, isOurDoing);
      },
      onSays: (text) => log.info("a hosted agent says", { agent: name, version, text }),
    });
  }

  private async revealed(
    env: Readonly<Record<string, SecretText>>,
  ): Promise<Readonly<Record<string, string>>> {
    const { vault, tenant } = this.options;
    const all = Object.entries(env).map(async ([name, secret]) => [
      name,
      "literal" in secret ? secret.literal : await vault.reveal(tenant, secret.vault),
    ]);
    return Object.fromEntries(await Promise.all(all)) as Record<string, string>;
  }

  /**
   * For the steps of its runs and the calls in them, and nothing else. `of` is whose runs; null = its own. An agent that has started a run
   * of another one has it done in its own name, with its own rights, by the code that the configuration names.
   */
  private token(name: string, of: PrincipalId | null): string {
    const { identities, tenant } = this.options;
    const refused = (why: Refusal) => new Fault(why.code, `agent ${name}: ${why.detail}`);
    const owner = of === null ? this.principal(name) : identities.recorded(tenant, of);
    if (!owner.ok) throw refused(owner.refusal);
    const node = identities.node(tenant);
    if (!node.ok) throw refused(node.refusal);
    const issued = identities.issueToken(node.value, owner.value.id, tokenTtlMs, ["mcp:call"]);
    if (!issued.ok) throw refused(issued.refusal);
    return issued.value.token;
  }

  private principalId(name: string): PrincipalId | null {
    const found = this.principal(name);
    return found.ok ? found.value.id : null;
  }

  private principal(name: string): Result<Principal> {
    const { identities, tenant } = this.options;
    const node = identities.node(tenant);
    if (!node.ok) return node;
    const record = identities.find(node.value, "agent", name);
    return record.ok ? identities.recorded(tenant, record.value.id) : record;
  }
}

const hookOf = (agent: string, version: string): string => `${agent}@${version}`;
