import type { Result } from "../base/index.ts";
import { elapsedMs } from "../base/index.ts";
import type { Leave } from "../dispatch/index.ts";
import type { Admitted, Authorised } from "./stages.ts";
import type { Station } from "./station.ts";
import { refused } from "./station.ts";

/** Is the tool well, and is there room? Bounds what runs at once, per node, principal and server. */
export const admit: Station<Authorised, Admitted> = {
  name: "admit",
  visit(call, house) {
    if (house.isStopping())
      return refused({ code: "shutting-down", detail: "ask another node or try again" });
    const callable = house.registry.callable(call.tool);
    if (!callable.ok) return refused(callable.refusal);
    const { limits, clock } = house;
    const entering = house.gate.enter(
      [
        { key: "node", max: limits.callsInFlightMax },
        { key: call.principal.id, max: limits.perPrincipalCallsMax },
        { key: call.tool.server.id, max: call.tool.server.concurrencyMax },
      ],
      call.deadline,
      call.input.signal,
    );
    if (!(entering instanceof Promise)) return enter(call, entering);
    const queuedAt = clock.monotonic();
    return entering.then((result) => {
      call.trace.queueMs += elapsedMs(house.clock.monotonic(), queuedAt);
      return enter(call, result);
    });
  },
};

function enter(call: Authorised, result: Result<Leave>): Admitted | ReturnType<typeof refused> {
  return result.ok ? Object.assign(call, { leave: result.value }) : refused(result.refusal);
}
