import type { Principal, PrincipalId } from "../identity/index.ts";

/** `admin.<noun>.<verb>` is every administrative act; its resource is the tenant it acts in. */
export type PolicyAction = "call" | "read" | "get" | "complete" | "subscribe" | `admin.${string}.${string}`;

/** What is acted on. Ids of tools, resources and prompts are `<server id>/<upstream name or URI>`. */
export interface PolicyResource {
  readonly type: "Tool" | "Resource" | "Prompt" | "Server" | "Tenant";
  readonly id: string;
}

/** What policies may know about the run a call belongs to. */
export interface RunContext {
  readonly name: string;
  readonly owner: PrincipalId;
  /** Marks on the run's data, e.g. `integrity:untrusted`. */
  readonly labels: readonly string[];
  /** Tool ids the run declared it would use; null = it declared nothing. */
  readonly tools: readonly string[] | null;
}

export interface DecideRequest {
  /** Also carries the chain, which policies see as `context.chain`. */
  readonly principal: Principal;
  readonly action: PolicyAction;
  readonly resource: PolicyResource;
  readonly context: {
    /** Parsed JSON from `parseStrictJson`; absent = none. */
    readonly args?: Readonly<Record<string, unknown>>;
    readonly run?: RunContext;
  };
}
