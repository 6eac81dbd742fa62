import type { ApprovalId, Endorsement } from "../approvals/index.ts";
import { canonicalJson } from "../base/index.ts";
import type { ApprovalRule } from "../policy/index.ts";
import type { House } from "./house.ts";
import type { Approved } from "./stages.ts";

export interface Endorsed {
  /** The rules that still want people's yes. */
  readonly open: readonly ApprovalRule[];
  /** The approvals that stand for the others. */
  readonly by: readonly ApprovalId[];
}

/** Which of the rules people have satisfied already, by endorsing the values that this call has, for the run that it is in. */
export async function endorsedRules(call: Approved, house: House): Promise<Endorsed> {
  const { run } = call;
  const open: ApprovalRule[] = [];
  const by: ApprovalId[] = [];
  for (const rule of call.decision.approvals) {
    const endorsement = run === null ? null : await endorsementOf(rule, call, house);
    const approval =
      run === null || endorsement === null
        ? null
        : await house.approvals.endorsedBy(call.principal.tenant, run.record.run, endorsement);
    if (approval === null) open.push(rule);
    else by.push(approval);
  }
  return { open, by };
}

/** What a yes to this call would endorse for its run. */
export async function endorsementsOf(call: Approved, house: House): Promise<readonly Endorsement[]> {
  if (call.run === null) return [];
  const all = await Promise.all(call.rules.map((rule) => endorsementOf(rule, call, house)));
  return all.filter((each) => each !== null);
}

/**
 * Null = the rule endorses nothing, or the call has no value at one of its places. The whole rule is part of it, the run, what the
 * call acts on and how that was defined: what was endorsed under other terms, or elsewhere, was something else, also for whoever copies rows.
 */
async function endorsementOf(rule: ApprovalRule, call: Approved, house: House): Promise<Endorsement | null> {
  if (rule.endorse.length === 0) return null;
  const values = rule.endorse.map((place) => valueAt(call.arguments, place));
  if (values.includes(undefined)) return null;
  const key = await house.keys.scopeKey(`same/${call.principal.tenant}`);
  const about = canonicalJson([
    "endorsement",
    call.run?.record.run ?? null,
    rule,
    call.input.method,
    call.subject.id,
    call.subject.pin,
    values,
  ]);
  return { policyId: rule.policyId, digest: house.keys.hmac(key, about).toString("base64") };
}

/** RFC 6901; undefined = there is nothing there. */
function valueAt(root: unknown, pointer: string): unknown {
  let value = root;
  for (const part of pointer.slice(1).split("/")) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}
