import fc from "fast-check";
import { expect, test } from "vitest";
import type { TenantId } from "../identity/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { Limits } from "./index.ts";
import { limitDefaults } from "./index.ts";
import { sameLimits } from "./limits.ts";
import { Rig } from "./rig.suite.ts";

const few: Limits = { perPrincipalCallsMax: 5, tenantCallsMax: 20, agents: { invoicer: 2 } };

test("limits are kept by version, of each tenant its own, and found again after a restart", async () => {
  const acme = "acme" as TenantId;
  const rig = await Rig.started();
  const put = (tenant: TenantId, limits: Limits) =>
    rig.commit(rig.registry.limits.put(tenant, limits, "api"));
  for (let n = 1; n <= 7; n++) await put(defaultTenant, { ...few, perPrincipalCallsMax: n });
  await put(acme, few);
  await put("zeta" as TenantId, few);
  expect(rig.registry.limits.of("nobody" as TenantId)).toMatchObject({ version: 0, limits: limitDefaults });
  await rig.restart();
  const { limits } = rig.registry;
  expect(limits.of(defaultTenant)).toMatchObject({ version: 7, limits: { perPrincipalCallsMax: 7 } });
  expect(limits.of(acme)).toMatchObject({ version: 1, limits: few });
  expect(limits.of("zeta" as TenantId).version).toBe(1);
  const versions = async (count: number, before?: number) =>
    (await limits.list(defaultTenant, count, before)).map(({ version }) => version);
  expect(await versions(3)).toEqual([7, 6, 5]);
  expect(await versions(9, 5)).toEqual([4, 3, 2, 1]);
});

test("limits that hold already are not written again", async () => {
  const rig = await Rig.started();
  await rig.commit(rig.registry.limits.put(defaultTenant, few, "api"));
  const again = rig.registry.limits.put(defaultTenant, { ...few, agents: { ...few.agents } }, "api");
  expect(again).toMatchObject({ ok: true, value: { writes: [], value: { version: 1 } } });
});

test.each([
  ["none at all", { perPrincipalCallsMax: 0 }, "perPrincipalCallsMax is 0"],
  ["too many", { tenantCallsMax: 100_001 }, "tenantCallsMax is 100001"],
  ["a part of one", { agents: { a: 1, b: 1.5 } }, "agents.b is 1.5"],
  [
    "too many agents",
    { agents: Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`a${i}`, 1])) },
    "1000 are allowed",
  ],
])("of %s are refused", async (_name, given, text) => {
  const rig = await Rig.started();
  const put = rig.registry.limits.put(defaultTenant, { ...limitDefaults, ...given }, "api");
  expect(put).toMatchObject({ ok: false, refusal: { code: "invalid-params" } });
  expect(JSON.stringify(put)).toContain(text);
});

test("limits are the same when, and only when, they say the same", () => {
  const max = fc.integer({ min: 1, max: 3 });
  const any = fc.record({
    perPrincipalCallsMax: max,
    tenantCallsMax: fc.option(max),
    agents: fc.dictionary(fc.constantFrom("a", "b", "__proto__", "toString"), max, { maxKeys: 2 }),
  });
  const sorted = ({ agents, ...rest }: Limits) =>
    JSON.stringify([rest, Object.entries(agents).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
  fc.assert(
    fc.property(any, any, (one, other) => sameLimits(one, other) === (sorted(one) === sorted(other))),
  );
});
