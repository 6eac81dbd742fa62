import { metaKeys } from "../../contract/index.ts";
import type { Principal, PrincipalId, TenantId } from "../identity/index.ts";
import type { Profile } from "../registry/index.ts";
import { noCapabilities } from "../registry/index.ts";
import { profile } from "./asking.fixture.ts";
import { askRules } from "./simulation-policies.fixture.ts";
import type { AskedAs } from "./simulation-policies.fixture.ts";
import type { SimulatedTool } from "./simulation-node.fixture.ts";
import type { Dice } from "./simulation-servers.fixture.ts";
import { tenants, toolClasses } from "./simulation-node.fixture.ts";

/** One thing an agent wants done, however often it asks: a step, a key, or a bare call. */
export interface Wish {
  readonly principal: Principal;
  readonly tool: SimulatedTool;
  /** In the arguments, so that it can be found again in what was sent and in the ledger. */
  readonly label: string;
  /** By which rules people are asked about it, where policy asks; null = they are not. */
  readonly askedAs: AskedAs | null;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly isNamed: boolean;
  /** Whether its caller can be asked, and made to wait for a task. */
  readonly profile: Profile;
  /** It is asked in its session, and not by an answer to its request. */
  readonly isInSession: boolean;
  /** One of its requests was withdrawn by its caller. */
  wasWithdrawn: boolean;
  /** How often bytes may leave for it: once, and once more for each retry a person allowed and each time its key expired. */
  allowed: number;
  /** Texts of results that were given for it; a step has only one. */
  readonly texts: Set<string>;
}

const who = (
  id: string,
  tenant: TenantId,
  chain: Principal["chain"] = [],
  roles: readonly string[] = [],
): Principal => ({
  id: id as PrincipalId,
  kind: (id.split("/")[0] ?? "") as Principal["kind"],
  name: id,
  roles,
  tenant,
  chain,
  version: `${id} for ${chain.length}`,
});

/** As which the nodes themselves ask. */
export const serviceOf = (tenant: TenantId): Principal => who("service/node", tenant);

/** Who resolves what is unknown. Stands behind some calls as well, and would approve them if that counted. */
export const personOf = (tenant: TenantId): Principal => who("person/p", tenant, [], ["finance", "managers"]);

/** Whoever tries to vote, also those who must not. */
export const voters = (tenant: TenantId): readonly Principal[] => [
  who("person/f1", tenant, [], ["finance"]),
  who("person/f2", tenant, [], ["finance"]),
  who("person/m1", tenant, [], ["managers"]),
  who("person/fm", tenant, [], ["finance", "managers"]),
  personOf(tenant),
  who("agent/robot", tenant, [], ["finance", "managers"]),
  who("person/s1", tenant, [], ["sales"]),
];

/** Two agents of one tenant, one of them also on behalf of a person, and one of another tenant: all use the same names. */
const agents: readonly Principal[] = [
  who("agent/a0", tenants[0]),
  who("agent/a1", tenants[0]),
  who("agent/a1", tenants[0], [personOf(tenants[0])]),
  who("agent/a2", tenants[1]),
];

export function newWish(dice: Dice, wishes: ReadonlyMap<string, Wish>): Wish {
  const principal = dice.pick(agents);
  // Each counts for itself, so that the names of one are the names of all.
  const own = [...wishes.values()].filter((wish) => wish.principal === principal).length;
  const named = dice.below(10);
  const askedAs = dice.chance(45) ? dice.pick(Object.keys(askRules) as AskedAs[]) : null;
  return {
    principal,
    tool: dice.pick(Object.keys(toolClasses) as SimulatedTool[]),
    askedAs,
    label: `${askedAs === null ? "" : `${askedAs} `}${dice.chance(10) ? "denied " : ""}${wishes.size}`,
    meta: metaOf(dice, named, own),
    isNamed: named < 8,
    profile: dice.chance(50) ? profile : noCapabilities,
    isInSession: dice.chance(25),
    wasWithdrawn: false,
    allowed: 1,
    texts: new Set(),
  };
}

function metaOf(dice: Dice, named: number, own: number): Record<string, unknown> {
  const run = { [metaKeys.run]: `r${dice.below(3)}` };
  if (named < 5) return { ...run, [metaKeys.step]: `s${own}` };
  if (named < 8) return { ...(dice.chance(30) ? run : {}), [metaKeys.key]: `k${own}` };
  return named < 9 ? run : {};
}

/** Tools of which a repetition does no harm: they may be sent again. */
export const isRepeatable = ({ subject }: { readonly subject: string | null }): boolean =>
  /\/(read|idempotent)$/.test(subject ?? "");
