import type { Sha256Hex } from "../base/index.ts";
import { canonicalDigest, sha256Hex } from "../base/index.ts";
import type { Identity, Principal, TenantId } from "../identity/index.ts";
import { isOwnTool, ownServer } from "../registry/index.ts";
import { BoundedCache } from "./bounded-cache.ts";
import type { CatalogInput } from "./catalog.ts";
import { Catalog } from "./catalog.ts";
import type { CedarValueJson } from "./cedar.ts";
import { principalAncestors, principalType, requestContext } from "./context.ts";
import type { Decision } from "./decision.ts";
import type { IdentityOutcome } from "./evaluation.ts";
import { evaluate } from "./evaluation.ts";
import type { ResolvedPolicy } from "./names.ts";
import { resolvePolicy, stillResolved, toolIdFor } from "./names.ts";
import { Partition, SharedSets } from "./partition.ts";
import { PrincipalKeys } from "./principal-keys.ts";
import type { PolicyProblem } from "./problem.ts";
import { problemText } from "./problem.ts";
import type { DecideRequest, PolicyAction, PolicyResource } from "./request.ts";
import { placeResource } from "./resources.ts";
import { scopeHolds } from "./scope.ts";
import { ScopeIndex } from "./scope-index.ts";
import type { ParsedPolicy } from "./source.ts";
import { adminActionsOf } from "./validation.ts";
import type { Unmappable } from "./values.ts";
import { denied, isForbid, verdict } from "./verdict.ts";

/** Decisions and listings remembered, each about 300 bytes: 10,000 agents with several tools each. */
const decisionsMax = 100_000;
/** Partitions remembered: one per tool, server and administrative action in use. */
const partitionsMax = 50_000;
/** Longer ids and values are digested before they become part of a cache key. */
const keyValueCharsMax = 256;

/** Shared by all sets that come from one text: partitions have numbers that are never used twice in it. */
interface Memory {
  readonly decisions: BoundedCache<Decision>;
  readonly listings: BoundedCache<boolean>;
  readonly principals: PrincipalKeys;
  lastOrdinal: number;
}

/** How a decision came about. */
export interface Trace {
  readonly decision: Decision;
  readonly partition: Partition;
  readonly outcomes: readonly IdentityOutcome[];
  readonly unmappable: readonly Unmappable[];
}

/**
 * A compiled set of policies. Immutable as far as anyone can see: it only remembers what it has worked out. Another catalog
 * gives another set, which takes over what stayed the same.
 */
export class PolicySet {
  /** Digest of all policy texts. */
  readonly version: Sha256Hex;
  readonly policies: readonly ParsedPolicy[];
  readonly catalog: Catalog;
  readonly #resolved: readonly ResolvedPolicy[];
  readonly #index: ScopeIndex;
  readonly #adminActions: ReadonlySet<string>;
  readonly #partitions: Map<string, Partition>;
  readonly #shared: SharedSets;
  readonly #memory: Memory;
  readonly #problems: PolicyProblem[];

  constructor(policies: readonly ParsedPolicy[], catalog: Catalog, before: PolicySet | null = null) {
    this.policies = policies;
    this.catalog = catalog;
    this.version = before?.version ?? canonicalDigest(policies.map(({ id, text }) => ({ id, text })));
    this.#problems = [];
    const same = before !== null && before.#resolved.every((policy) => stillResolved(policy, catalog));
    this.#resolved = same
      ? before.#resolved
      : policies.map((policy) => resolvePolicy(policy, catalog, this.#problems));
    this.#memory = before === null ? newMemory() : before.#memory;
    this.#adminActions = adminActionsOf(this.#resolved, catalog);
    this.#index = same ? before.#index : new ScopeIndex(this.#resolved);
    this.#shared = same ? before.#shared : new SharedSets();
    this.#partitions = same ? before.#partitionsUnder(catalog) : new Map();
    if (same) this.#problems.push(...before.#problems);
  }

  /** Probably not what was meant, but usable. */
  get warnings(): readonly PolicyProblem[] {
    return this.#problems.filter(({ severity }) => severity === "warning");
  }

  /** References that cannot be resolved. While there are any, everything is denied: a forbid may be among them. */
  get errors(): readonly PolicyProblem[] {
    return this.#problems.filter(({ severity }) => severity === "error");
  }

  /** For `compilePolicies`, which finds more than resolving does. */
  warn(problems: readonly PolicyProblem[]): void {
    this.#problems.push(...problems);
  }

  /**
   * The same policies over other servers and tools. Cheap: only what a change concerns is worked out again, when it is asked
   * about. Never refused: where policies no longer fit a tool, calls of that tool are denied and say why.
   */
  withCatalog(input: CatalogInput): PolicySet {
    return new PolicySet(this.policies, new Catalog(input, this.catalog), this);
  }

  decide(request: DecideRequest): Decision {
    const partition = this.partition(request.action, request.resource, request.principal.tenant);
    const who = this.#memory.principals.keyOf(request.principal);
    let key = `${who}:${partition.ordinal}:${keyPart(request.resource.id)}`;
    let context: Record<string, CedarValueJson> = {};
    const unmappable: Unmappable[] = [];
    if (partition.reads.context !== null) {
      context = requestContext(partition.reads.context, partition.argumentsType, request.context, unmappable);
      if (unmappable.length > 0) return this.#unmappable(partition, unmappable);
      const values = JSON.stringify(context);
      key += `:${keyPart(values)}`;
    }
    const known = this.#memory.decisions.get(key);
    if (known !== undefined) return known;
    const decision = this.#work(partition, request, context).decision;
    this.#memory.decisions.set(key, decision);
    return decision;
  }

  /** The same answer as `decide`, worked out anew, with everything that led to it. */
  trace(request: DecideRequest): Trace {
    const partition = this.partition(request.action, request.resource, request.principal.tenant);
    const unmappable: Unmappable[] = [];
    const reads = partition.reads.context;
    const context =
      reads === null ? {} : requestContext(reads, partition.argumentsType, request.context, unmappable);
    if (unmappable.length > 0) {
      return { decision: this.#unmappable(partition, unmappable), partition, outcomes: [], unmappable };
    }
    return { ...this.#work(partition, request, context), partition, unmappable };
  }

  /**
   * Whether to show the tool: everyone on the chain is in the scope of some permit, and nobody in that of a forbid without
   * conditions or approval. Advisory; the call is decided when it comes.
   */
  mayList(principal: Principal, toolId: string): boolean {
    return this.#mayBeShown(principal, "call", { type: "Tool", id: toolId });
  }

  /** Whether to show a tool that is good for nothing but asking people: it may be listed, and some policy asks somebody about it. */
  mayAskBy(principal: Principal, toolId: string): boolean {
    const { members } = this.partition("call", { type: "Tool", id: toolId }, principal.tenant);
    const asking = members.filter(({ parsed }) => parsed.approval !== null);
    return (
      this.mayList(principal, toolId) &&
      [principal, ...principal.chain].some((identity) => {
        const placed = placedPrincipal(identity, principal.tenant);
        return asking.some(({ json }) => scopeHolds(json.principal, placed));
      })
    );
  }

  /** As `mayList`, for a resource or a template: a template's id stands for all it could name. */
  mayRead(principal: Principal, resourceId: string): boolean {
    return this.#mayBeShown(principal, "read", { type: "Resource", id: resourceId });
  }

  /** As `mayList`, for a prompt. */
  mayGet(principal: Principal, promptId: string): boolean {
    return this.#mayBeShown(principal, "get", { type: "Prompt", id: promptId });
  }

  #mayBeShown(principal: Principal, action: PolicyAction, resource: PolicyResource): boolean {
    const partition = this.partition(action, resource, principal.tenant);
    const key = `${this.#memory.principals.keyOf(principal)}:${partition.ordinal}`;
    const known = this.#memory.listings.get(key);
    if (known !== undefined) return known;
    const listed = this.#refusal(partition, principal) === null && scopesAllow(partition, principal);
    this.#memory.listings.set(key, listed);
    return listed;
  }

  /** The tool id behind `files/read_file`; null when there is no such server. */
  toolId(reference: string): string | null {
    return toolIdFor(reference, this.catalog);
  }

  /** Where policies do not fit known tools, and what can never match. Looks at every tool, so not for the hot path. */
  toolProblems(): readonly PolicyProblem[] {
    return [...this.catalog.tenants].flatMap((tenant) =>
      [...this.catalog.tools.keys()].flatMap((id) =>
        this.partition("call", { type: "Tool", id }, tenant)
          .problems(this.#adminActions)
          .filter(({ policy }) => this.hasToFit(policy, id)),
      ),
    );
  }

  /**
   * Whether a policy is refused where it does not fit this tool. Of the node's own, which nobody has added, only one that names them:
   * else a policy about all tools would have to know their arguments. What does not fit denies their calls all the same.
   */
  hasToFit(policy: string | null, toolId: string): boolean {
    if (!isOwnTool(toolId)) return true;
    return this.#resolved.some(
      ({ parsed, lookups }) => parsed.id === policy && Object.hasOwn(lookups, `Server::${ownServer.name}`),
    );
  }

  /** Whether any policy can ask people for their approval. */
  get asksPeople(): boolean {
    return this.policies.some(({ approval }) => approval !== null);
  }

  get adminActions(): ReadonlySet<string> {
    return this.#adminActions;
  }

  get resolved(): readonly ResolvedPolicy[] {
    return this.#resolved;
  }

  partition(action: string, resource: PolicyResource, tenant: string): Partition {
    const key = `${action}|${resource.type}|${tenant}|${this.#bucket(resource)}`;
    const known = this.#partitions.get(key);
    if (known !== undefined) return known;
    const places = this.#index.matching(action, placeResource(resource, tenant, this.catalog));
    const members = places.flatMap((at) => this.#resolved[at] ?? []);
    const tool =
      action === "call" && resource.type === "Tool" ? (this.catalog.tools.get(resource.id) ?? null) : null;
    const partition = new Partition(++this.#memory.lastOrdinal, members, tool, this.#shared);
    if (this.#partitions.size >= partitionsMax) this.#partitions.clear();
    this.#partitions.set(key, partition);
    return partition;
  }

  /** What no policy and no schema tells apart shares a partition: URIs are endless, servers are not. */
  #bucket({ type, id }: PolicyResource): string {
    if (this.catalog.tools.has(id) || type === "Tenant" || type === "Server") return id;
    if (this.#index.names({ type, id })) return id;
    const server = id.slice(0, Math.max(0, id.indexOf("/")));
    const told = this.catalog.serverNames.has(server) || this.#index.names({ type: "Server", id: server });
    return told ? `${server}/*` : "*";
  }

  #work(
    partition: Partition,
    request: DecideRequest,
    context: Record<string, CedarValueJson>,
  ): Pick<Trace, "decision" | "outcomes"> {
    const refused = this.#refusal(partition, request.principal);
    if (refused !== null) return { decision: refused, outcomes: [] };
    const { principal, action, resource } = request;
    const placed = placeResource(resource, principal.tenant, this.catalog);
    const outcomes = evaluate(partition, { principal, action, resource: placed, context });
    return { decision: verdict(outcomes, partition.digest), outcomes };
  }

  /** Why nothing is even asked; null = ask. */
  #refusal(partition: Partition, principal: Principal): Decision | null {
    const { digest, members } = partition;
    if (!this.catalog.tenants.has(principal.tenant)) {
      return denied(`these policies are not those of tenant ${principal.tenant}`, [], digest);
    }
    const unresolved = this.errors;
    if (unresolved.length > 0)
      return denied("a policy cannot be resolved", unresolved.map(problemText), digest);
    const misfits = partition.problems(this.#adminActions).filter(({ severity }) => severity === "error");
    if (misfits.length === 0) return null;
    const ids = new Set(misfits.map(({ policy }) => policy));
    const reasons = members.filter(({ parsed }) => ids.has(parsed.id));
    return denied("a policy does not fit the tool's schema", misfits.map(problemText), digest, reasons);
  }

  #unmappable(partition: Partition, found: readonly Unmappable[]): Decision {
    const errors = found.map(({ path, because }) => `${path} ${because}`);
    return denied(`policy reads a value it cannot have: ${errors.join("; ")}`, errors, partition.digest);
  }

  /** Partitions of tools that are still the same. */
  #partitionsUnder(catalog: Catalog): Map<string, Partition> {
    return new Map(
      [...this.#partitions].filter(([, { tool }]) => tool !== null && catalog.tools.get(tool.id) === tool),
    );
  }
}

/** URIs and arguments may be long. The sign in front keeps a digest from passing for a text. */
const keyPart = (text: string): string =>
  text.length > keyValueCharsMax ? `#${sha256Hex(text)}` : `=${text}`;

const newMemory = (): Memory => ({
  decisions: new BoundedCache(decisionsMax),
  listings: new BoundedCache(decisionsMax),
  principals: new PrincipalKeys(),
  lastOrdinal: 0,
});

const placedPrincipal = (identity: Identity, tenant: TenantId) => ({
  self: { type: principalType[identity.kind], id: identity.id },
  ancestors: principalAncestors(identity, tenant),
});

function scopesAllow(partition: Partition, principal: Principal): boolean {
  return [principal, ...principal.chain].every((identity) => {
    const placed = placedPrincipal(identity, principal.tenant);
    const holding = partition.members.filter(({ json }) => scopeHolds(json.principal, placed));
    const forbidden = holding.some(
      (policy) => isForbid(policy) && policy.parsed.approval === null && policy.json.conditions.length === 0,
    );
    return !forbidden && holding.some((policy) => !isForbid(policy));
  });
}
