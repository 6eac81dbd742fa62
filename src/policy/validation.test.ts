import { describe, expect, it } from "vitest";
import { Catalog } from "./catalog.ts";
import { PolicySet } from "./policy-set.ts";
import { parsePolicyFiles } from "./source.ts";
import { validateWithoutTools } from "./validation.ts";

const adminActions = [
  "admin.agents.create",
  "admin.agents.list",
  "admin.agents.disable",
  "admin.servers.add",
  "admin.servers.list",
  "admin.vault.set",
];

const inAdmin = (condition: string, action = `action in Action::"admin"`) =>
  `permit (principal, ${action}, resource) when { ${condition} };`;

/** Policies that fit and policies that do not, over groups and single actions, in scope and in conditions. */
const texts = [
  `permit (principal in Role::"admin", action in Action::"admin", resource);`,
  `permit (principal, action == Action::"admin.agents.list", resource is Tenant);`,
  `permit (principal, action in Action::"admin.agents", resource is Tool);`,
  `permit (principal, action == Action::"admin", resource) when { principal.name == "ada" };`,
  inAdmin(`action == Action::"admin.agents"`),
  inAdmin(`action != Action::"admin" && context.nothing`),
  inAdmin(`action != Action::"admin" && action != Action::"admin.agents" && context.nothing`),
  inAdmin(`action in Action::"admin.agents" && principal.nothing == 1`),
  inAdmin(`action in Action::"admin.agents" && action in Action::"admin.servers"`),
  inAdmin(`action in Action::"admin.agents" && action != Action::"admin.agents.list" && resource.nothing`),
  inAdmin(`action == Action::"admin.vault.set" && context.chain.depth > "1"`),
  inAdmin(`action in [Action::"admin.vault", Action::"admin.servers.add"]`, "action"),
  inAdmin(`true`, `action in [Action::"call", Action::"admin.servers"]`),
];

function found(text: string): { readonly chosen: readonly string[]; readonly all: readonly string[] } {
  const parsed = parsePolicyFiles([{ path: "one.cedar", text }], null);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal));
  const catalog = new Catalog(
    { tenants: ["default"], roles: [], adminActions, servers: [], tools: [] },
    null,
  );
  const set = new PolicySet(parsed.value, catalog);
  const kinds = (actions: ReadonlySet<string>) =>
    [
      ...new Set(
        validateWithoutTools(set.resolved, actions).map(
          ({ severity, message }) => `${severity}: ${message.replace(/Action::"[^"]*"/g, "Action")}`,
        ),
      ),
    ].toSorted();
  return { chosen: kinds(set.adminActions), all: kinds(new Set(adminActions)) };
}

describe("administrative actions in validation", () => {
  it.each(texts)("finds with one action of each kind what it finds with all: %s", (text) => {
    const { chosen, all } = found(text);
    expect(chosen).toEqual(all);
  });

  it("has something to find in half of these", () => {
    expect(texts.filter((text) => found(text).all.length > 0).length).toBeGreaterThan(5);
  });
});
