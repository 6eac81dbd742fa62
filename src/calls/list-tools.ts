import type { Principal, TenantId } from "../identity/index.ts";
import type { PolicySet } from "../policy/index.ts";
import type { Registry, Tool } from "../registry/index.ts";

/** Lists kept as text. 2,000 agents with lists of 50 KB are 100 MB, so the bound is on characters. */
const charactersMax = 64 * 1024 * 1024;

interface Listed {
  readonly text: string;
  readonly revision: number;
  readonly policies: PolicySet;
  readonly principalVersion: string;
}

/**
 * The tools a caller may see, as JSON text: what some permit's scope matches and no unconditional forbid does, of tools that are
 * live and healthy, in a fixed order so that prompt caches hold. Advisory: the call itself decides.
 */
export class ToolLists {
  private readonly lists = new Map<string, Listed>();
  private characters = 0;

  textFor(principal: Principal, registry: Registry, policies: PolicySet): string {
    const revision = registry.revision(principal.tenant);
    const known = this.lists.get(principal.id);
    if (
      known !== undefined &&
      known.revision === revision &&
      known.policies === policies &&
      known.principalVersion === principal.version
    ) {
      return known.text;
    }
    const tools = visibleTools(principal, principal.tenant, registry, policies);
    const text = `{"tools":[${tools.map(describe).join(",")}]}`;
    this.keep(principal.id, { text, revision, policies, principalVersion: principal.version });
    return text;
  }

  private keep(key: string, listed: Listed): void {
    this.characters += listed.text.length - (this.lists.get(key)?.text.length ?? 0);
    this.lists.delete(key);
    this.lists.set(key, listed);
    for (const [oldest, { text }] of this.lists) {
      if (this.characters <= charactersMax || oldest === key) break;
      this.lists.delete(oldest);
      this.characters -= text.length;
    }
  }
}

function visibleTools(
  principal: Principal,
  tenant: TenantId,
  registry: Registry,
  policies: PolicySet,
): Tool[] {
  return registry.callableToolsOf(tenant).filter((tool) => policies.mayList(principal, tool.id));
}

function describe(tool: Tool): string {
  const { rest, ...definition } = tool.definition;
  return JSON.stringify({ ...rest, ...definition, name: tool.exposedName });
}
