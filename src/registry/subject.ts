import type { TenantId } from "../identity/index.ts";
import type { Pin, ServerRecord, Tool, ToolClass } from "./records.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** What all things a call can act on have in common. */
interface Offered {
  readonly tenant: TenantId;
  readonly server: ServerRecord;
  /** The name at its server: a prompt's name, a resource's URI or URI template. */
  readonly name: string;
  /** What callers say: `<server>__<prompt>` for prompts; URIs stay as they are, because results refer to them. */
  readonly exposedName: string;
  /** The policy entity's id and the ledger's subject: `<server id>/<name>`. */
  readonly id: string;
  readonly class: Extract<ToolClass, { kind: "read" }>;
  /** Digest of the definition it was found by. Only tools are held to theirs; here it is for the record. */
  readonly pin: Pin;
}

/**
 * One resource, whether it is listed, fits a template, or is known by its URI alone (`definition` null). A skill, its files and
 * directories are resources too; what they were found by is the skill's entry.
 */
export interface Resource extends Offered {
  readonly kind: "resource";
  readonly definition: JsonObject | null;
}

export interface Prompt extends Offered {
  readonly kind: "prompt";
  readonly definition: JsonObject;
}

/** What one governed call acts on. */
export type Subject = Tool | Resource | Prompt;

/** What a server said of itself and offers, to one profile of capabilities. As received; names and URIs are its own. */
export interface Features {
  /** Its `capabilities` in answer to `server/discover` or `initialize`. */
  readonly capabilities: JsonObject;
  /** null = it said nothing. */
  readonly serverInfo: JsonObject | null;
  readonly instructions: string | null;
  /** Upstream names of the tools it offers to this profile; their definitions come in through `offer`. */
  readonly tools: readonly string[];
  readonly resources: readonly JsonObject[];
  readonly templates: readonly JsonObject[];
  readonly prompts: readonly JsonObject[];
  /** Entries of `skills/list`, as received. */
  readonly skills: readonly JsonObject[];
  /** Smallest `ttlMs` of its lists; null = it gave none. */
  readonly ttlMs: number | null;
}

/** Lists that clients are told changes of. Skills are files, which are resources (SEP-2640). */
export type ListKind = "tools" | "resources" | "prompts";
