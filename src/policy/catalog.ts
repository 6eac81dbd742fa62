import { canonicalDigest } from "../base/index.ts";
import { askTool, ownServer } from "../registry/index.ts";
import type { ArgumentType } from "./argument-type.ts";
import { argumentsType } from "./argument-type.ts";

/** What exists, as far as policies need to know it. */
export interface CatalogInput {
  readonly tenants: readonly string[];
  /** Empty = roles are not checked. */
  readonly roles: readonly string[];
  readonly servers: readonly { readonly id: string; readonly name: string }[];
  readonly tools: readonly CatalogTool[];
  /** All `admin.<noun>.<verb>`; absent = any well-formed one is accepted in policies. */
  readonly adminActions?: readonly string[];
}

export interface CatalogTool {
  /** `<server id>/<upstream name>`. */
  readonly id: string;
  readonly serverId: string;
  /** As pinned. Compared by reference first, so handing in the same object again costs nothing. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
  /** The kind of its class; default "effect". */
  readonly class?: string;
}

/** In every catalog, so that policies about them mean the same wherever they are read. */
const ownTools: readonly CatalogTool[] = [
  {
    id: askTool.id,
    serverId: ownServer.id,
    inputSchema: askTool.definition.inputSchema,
    class: askTool.class.kind,
  },
];

/** A tool as partitions need it; its argument type is worked out when first asked for. */
export interface KnownTool {
  readonly id: string;
  readonly serverId: string;
  readonly name: string;
  readonly class: string;
  readonly serverName: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly argumentsType: () => ArgumentType;
}

export class Catalog {
  readonly tenants: ReadonlySet<string>;
  readonly roles: ReadonlySet<string>;
  readonly adminActions: ReadonlySet<string> | null;
  /** Server id to name. */
  readonly serverNames: ReadonlyMap<string, string>;
  /** Server name to ids: more than one when tenants use the same name. */
  readonly serverIds: ReadonlyMap<string, readonly string[]>;
  readonly tools: ReadonlyMap<string, KnownTool>;
  readonly toolsOfServer: ReadonlyMap<string, readonly KnownTool[]>;

  /** With the node's own tools beside those given. Tools that are the same as in `before` are the same objects afterwards. */
  constructor(input: CatalogInput, before: Catalog | null) {
    this.tenants = new Set(input.tenants);
    this.roles = new Set(input.roles);
    this.adminActions = input.adminActions === undefined ? null : new Set(input.adminActions);
    const servers = [...input.servers, ownServer];
    this.serverNames = new Map(servers.map(({ id, name }) => [id, name]));
    const byName = Map.groupBy(servers, ({ name }) => name);
    this.serverIds = new Map([...byName].map(([name, servers]) => [name, servers.map(({ id }) => id)]));
    this.tools = new Map(
      [...input.tools, ...ownTools].map((tool) => [
        tool.id,
        this.#unchanged(tool, before?.tools.get(tool.id)) ?? this.#known(tool),
      ]),
    );
    this.toolsOfServer = Map.groupBy(this.tools.values(), (tool) => tool.serverId);
  }

  #known(tool: CatalogTool): KnownTool {
    let type: ArgumentType | null = null;
    return {
      id: tool.id,
      serverId: tool.serverId,
      name: tool.id.slice(tool.id.indexOf("/") + 1),
      class: tool.class ?? "effect",
      serverName: this.#serverName(tool),
      inputSchema: tool.inputSchema,
      argumentsType: () => (type ??= argumentsType(tool.inputSchema)),
    };
  }

  /** `before` when everything a policy can see of the tool is as it was. */
  #unchanged(tool: CatalogTool, before: KnownTool | undefined): KnownTool | null {
    if (before === undefined || before.serverId !== tool.serverId) return null;
    if (before.class !== (tool.class ?? "effect") || before.serverName !== this.#serverName(tool))
      return null;
    if (before.inputSchema === tool.inputSchema) return before;
    return canonicalDigest(before.inputSchema) === canonicalDigest(tool.inputSchema) ? before : null;
  }

  #serverName(tool: CatalogTool): string {
    return this.serverNames.get(tool.serverId) ?? tool.serverId;
  }
}
