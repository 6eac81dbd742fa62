import type { Result } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";
import type { CatalogInput, PolicyFile, PolicyProblem, PolicySet } from "../../policy/index.ts";
import { compilePolicies, Policies, problemText } from "../../policy/index.ts";
import type { Registry, Tool } from "../../registry/index.ts";
import type { Log } from "../../telemetry/index.ts";

export interface PolicyDeskOptions {
  readonly registry: Registry;
  readonly log: Log;
  readonly tenants: () => readonly string[];
  readonly adminActions: readonly string[];
  /** What holds for a tenant that has no policies of its own. */
  readonly fallback: PolicyFile;
}

interface Desk {
  readonly policies: Policies;
  /** The registry's tools and revision that the catalogue was last made from. */
  tools: readonly Tool[];
  trouble: readonly PolicyProblem[] | null;
}

/** Between policy texts on record and the compiled sets in force, one per tenant. */
export class PolicyDesk {
  private readonly options: PolicyDeskOptions;
  private readonly desks = new Map<TenantId, Desk>();
  private readonly reloadListeners = new Set<(tenant: TenantId) => void>();

  constructor(options: PolicyDeskOptions) {
    this.options = options;
  }

  /** Brings every set up to date when servers or tools change. Returns how to stop. */
  start(): () => void {
    return this.options.registry.onChange((tenant) => this.refresh(tenant));
  }

  /** Called after other policies came into force. Returns how to stop listening. */
  onReload(listener: (tenant: TenantId) => void): () => void {
    this.reloadListeners.add(listener);
    return () => this.reloadListeners.delete(listener);
  }

  current(tenant: TenantId): PolicySet {
    return this.desk(tenant).policies.current();
  }

  compile(tenant: TenantId, files: readonly PolicyFile[]): Result<PolicySet, readonly PolicyProblem[]> {
    return compilePolicies({ files, catalog: this.catalog(tenant) });
  }

  trouble(tenant: TenantId): readonly PolicyProblem[] | null {
    return this.desk(tenant).trouble;
  }

  /** The newest texts were refused before they reached the record: the last good ones stay in force, and this says so. */
  refuse(tenant: TenantId, problems: readonly PolicyProblem[]): void {
    this.desk(tenant).trouble = problems;
    this.options.log.error("policies are refused, the last good ones stay in force", {
      tenant,
      problems: problems.map(problemText),
    });
  }

  reload(tenant: TenantId): void {
    const desk = this.desk(tenant);
    const loaded = desk.policies.load({ files: this.files(tenant), toolProblems: "deny" });
    desk.trouble = loaded.ok ? null : loaded.refusal;
    if (loaded.ok) for (const listener of this.reloadListeners) listener(tenant);
  }

  private desk(tenant: TenantId): Desk {
    const known = this.desks.get(tenant);
    if (known !== undefined) return known;
    const { registry, log } = this.options;
    const policies = new Policies({
      catalog: this.catalog(tenant),
      listen: (event) => {
        switch (event.kind) {
          case "loaded":
            log.info("policies are in force", { tenant, version: event.set.version });
            break;
          case "refused":
          case "misfit":
            log.error(
              event.kind === "refused"
                ? "policies are refused"
                : "policies do not fit a tool; its calls are denied",
              { tenant, problems: event.problems.map(problemText) },
            );
            break;
        }
      },
    });
    const desk: Desk = { policies, tools: registry.toolsOf(tenant), trouble: null };
    this.desks.set(tenant, desk);
    // Accepted when they were put on record: a tool that has changed since must not take all of them out of force.
    const loaded = policies.load({ files: this.files(tenant), toolProblems: "deny" });
    desk.trouble = loaded.ok ? null : loaded.refusal;
    return desk;
  }

  /** Health changes reach us too, but leave the array of tools as it is. */
  private refresh(tenant: TenantId): void {
    const desk = this.desks.get(tenant);
    const tools = this.options.registry.toolsOf(tenant);
    if (desk === undefined || desk.tools === tools) return;
    desk.tools = tools;
    desk.policies.updateCatalog(this.catalog(tenant));
  }

  private files(tenant: TenantId): readonly PolicyFile[] {
    const active = this.options.registry.activePolicies(tenant);
    if (active === null) return [this.options.fallback];
    return active.version.sources.map((source) => ({ path: source.name, text: source.text }));
  }

  private catalog(tenant: TenantId): CatalogInput {
    const { registry, tenants, adminActions } = this.options;
    return {
      tenants: tenants(),
      roles: [], // roles are whatever people are given; a policy may name one before anybody has it
      adminActions,
      servers: registry.serversOf(tenant).map(({ id, name }) => ({ id, name })),
      tools: registry.toolsOf(tenant).map((tool) => ({
        id: tool.id,
        serverId: tool.server.id,
        inputSchema: tool.definition.inputSchema,
        class: tool.class.kind,
      })),
    };
  }
}
