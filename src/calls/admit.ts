import type { Result } from "../base/index.ts";
import { elapsedMs } from "../base/index.ts";
import type { Bound, Leave } from "../dispatch/index.ts";
import type { PolicySet } from "../policy/index.ts";
import type { Subject } from "../registry/index.ts";
import { measureOf } from "./bounds.ts";
import type { House } from "./house.ts";
import type { Admitted, Approved } from "./stages.ts";
import type { Station } from "./station.ts";
import { Stop, refused } from "./station.ts";
import { subjectOf } from "./subject.ts";

/** Is the tool well, and is there room? Bounds what runs at once, per node, principal, server and tenant. */
export const admit: Station<Approved, Admitted> = {
  name: "admit",
  visit(call, house) {
    if (house.isStopping())
      return refused({ code: "shutting-down", detail: "ask another node or try again" });
    const callable = isWell(call, house);
    if (!callable.ok) return refused(callable.refusal);
    const entering = house.gate.enter(
      call.principal.id,
      () => boundsOf(call, house),
      call.deadline,
      call.input.signal,
    );
    if (!(entering instanceof Promise)) return enter(call, entering);
    const queuedAt = house.clock.monotonic();
    const policies = house.policies.current(call.principal.tenant);
    return entering.then(async (result) => {
      call.trace.queuedMs += elapsedMs(house.clock.monotonic(), queuedAt);
      const entered = enter(call, result);
      return entered instanceof Stop ? entered : ((await changedMeanwhile(call, policies, house)) ?? entered);
    });
  },
};

/** The call remembers by which version of its tenant's limits it was last measured, also where it is refused for them. */
function boundsOf(call: Approved & { limitsVersion?: number }, house: House): readonly Bound[] {
  const { version, bounds } = measureOf(call.principal, call.subject.server, house);
  call.limitsVersion = version;
  return bounds;
}

/**
 * What was true before the wait may not be any more: the node stops, the server is down, the token was revoked. Where roles, tool
 * or policies changed the call goes back and is judged by what is in force now.
 */
async function changedMeanwhile(call: Approved, policies: PolicySet, house: House): Promise<Stop | null> {
  const { principal, subject } = call;
  if (house.isStopping()) return refused({ code: "shutting-down", detail: "ask another node or try again" });
  const callable = isWell(call, house);
  if (!callable.ok) return refused(callable.refusal);
  const who = await call.input.authenticate();
  if (!who.ok) return refused(who.refusal);
  const now = subjectOf(principal, call.input, house.registry);
  const isSame =
    who.value.version === principal.version &&
    house.policies.current(principal.tenant) === policies &&
    now.ok &&
    now.value.pin === subject.pin &&
    now.value.class.kind === subject.class.kind;
  return isSame ? null : new Stop({ kind: "again" });
}

/** What is known against a tool itself is what its probe is to find out anew. */
const isWell = ({ subject, input }: Approved, { registry }: House): Result<Subject> =>
  input.isProbe === true && subject.kind === "tool"
    ? registry.probeable(subject)
    : registry.callable(subject);

function enter(call: Approved, result: Result<Leave>): Admitted | Stop {
  return result.ok ? (Object.assign(call, { leave: result.value }) as Admitted) : refused(result.refusal);
}
