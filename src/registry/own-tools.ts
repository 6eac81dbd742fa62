import type { TenantId } from "../identity/index.ts";
import { askToolName } from "../../contract/index.ts";
import { reservedServerName } from "./exposed-name.ts";
import { deepFreeze } from "./json-bounds.ts";
import { pinOf } from "./pin.ts";
import type { ServerId, ServerRecord, Tool, ToolDefinition } from "./records.ts";

/**
 * The server that a node is by itself. It stands in no store: every tenant has it, under the one name that no other server may have,
 * so policies name its tools like any other's. Its id is its name, which is no `srv_…`.
 */
export const ownServer = deepFreeze({ id: reservedServerName as ServerId, name: reservedServerName });

/** As many characters as a person reads at one go. */
const questionCharsMax = 1_000;
/** Some four pages. */
const detailsCharsMax = 16_000;
/** Question, details and data together, as people are shown them: what is longer nobody reads, and belongs behind a link. */
export const askBytesMax = 64 * 1024;

const ids = { type: "array", items: { type: "string" } } as const;

const askDefinition: ToolDefinition = deepFreeze({
  name: "ask",
  title: "Ask people for their approval",
  description:
    "Asks people whether you may go on with something of your own: a plan, a draft, values. It does nothing else. When they say yes it " +
    "says who did; a refusal is not a yes. Use it once per decision, and ask anew when anything has changed.",
  inputSchema: {
    type: "object",
    properties: {
      question: {
        type: "string",
        minLength: 1,
        maxLength: questionCharsMax,
        description: "what they are to say yes or no to, in one or two sentences",
      },
      details: {
        type: "string",
        maxLength: detailsCharsMax,
        description: "what they should know before they decide",
      },
      data: { description: "the plan, draft or values that a yes is to, as JSON" },
    },
    required: ["question"],
    additionalProperties: false,
  },
  outputSchema: {
    type: "object",
    properties: {
      approved: { const: true },
      approvals: { ...ids, description: "the approval of exactly this" },
      endorsed: {
        ...ids,
        description: "earlier approvals that stand for values in it; of these people did not see the rest",
      },
      by: { ...ids, description: "the people who said yes" },
      asked: { type: "object", description: "what you asked" },
    },
    required: ["approved", "approvals", "endorsed", "by", "asked"],
  },
  annotations: { readOnlyHint: true, openWorldHint: false },
  rest: {},
});

/** What policies, ledger and the rest of the node know it by. It has no effect: what happens after a yes is the agent's own. */
export const askTool = deepFreeze({
  id: `${ownServer.id}/${askDefinition.name}`,
  class: { kind: "read" },
  pin: pinOf(askDefinition),
  definition: askDefinition,
} as const);

export const isOwnTool = (toolId: string): boolean => toolId === askTool.id;

/** Tools of a node's own, in every tenant the same but for the tenant. */
export class OwnTools {
  private readonly made = new Map<TenantId, Tool>();

  named(tenant: TenantId, exposedName: string): Tool | null {
    return exposedName === askToolName ? this.ask(tenant) : null;
  }

  byId(tenant: TenantId, id: string): Tool | null {
    return isOwnTool(id) ? this.ask(tenant) : null;
  }

  /** The same object each time, so that others may keep things by it. As many as there are tenants. */
  private ask(tenant: TenantId): Tool {
    const known = this.made.get(tenant);
    if (known !== undefined) return known;
    const { id, pin, definition } = askTool;
    const made: Tool = Object.freeze({
      kind: "tool",
      tenant,
      server: serverIn(tenant),
      name: definition.name,
      exposedName: askToolName,
      id,
      class: askTool.class,
      pin,
      definition,
      state: live,
    });
    this.made.set(tenant, made);
    return made;
  }
}

const live = Object.freeze({ kind: "live" } as const);

/** Its calls wait for nothing but the ledger, so what bounds them are the node's and the caller's own bounds. */
const unboundedHere = Number.MAX_SAFE_INTEGER;

const serverIn = (tenant: TenantId): ServerRecord =>
  Object.freeze({
    tenant,
    id: ownServer.id,
    name: ownServer.name,
    transport: Object.freeze({ kind: "local" } as const),
    origin: "file",
    enabled: true,
    era: "modern",
    callTimeoutMs: ownCallTimeoutMs,
    concurrencyMax: unboundedHere,
    resultBytesMax: unboundedHere,
    version: 1,
  });

/** As a server of whose time nothing is said; a client in a session that is shown the question waits this long in it. */
const ownCallTimeoutMs = 60_000;
