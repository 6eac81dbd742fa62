import { expect, test } from "vitest";
import { permitsAdministration } from "./administration.ts";
import { compilePolicies } from "./compile.ts";

const permits = (text: string): boolean => {
  const adminActions = ["admin.policy.set"];
  const set = compilePolicies({
    files: [{ path: "p.cedar", text }],
    catalog: { tenants: ["default"], roles: [], adminActions, servers: [], tools: [] },
  });
  if (!set.ok) throw new Error(set.refusal.map(({ message }) => message).join());
  return permitsAdministration(set.value);
};

test.each([
  `permit (principal, action, resource);`,
  `permit (principal, action in Action::"admin", resource);`,
  `permit (principal, action in Action::"admin.policy", resource);`,
  `permit (principal, action == Action::"admin.policy.set", resource);`,
  `permit (principal, action in [Action::"call", Action::"admin.policy.set"], resource);`,
])("%s permits administration", (text) => {
  expect(permits(text)).toBe(true);
});

test.each([
  ``,
  `permit (principal, action == Action::"call", resource);`,
  `permit (principal, action in [Action::"call", Action::"read"], resource);`,
  `forbid (principal, action in Action::"admin", resource);`,
])("%j does not", (text) => {
  expect(permits(text)).toBe(false);
});
