import { reviewFloor } from "./doubt.ts";
import type { House } from "./house.ts";
import type { Arrived, Authenticated } from "./stages.ts";
import type { Station } from "./station.ts";
import { refused } from "./station.ts";

export const authenticate: Station<Arrived, Authenticated> = {
  name: "authenticate",
  visit(call, house) {
    const result = call.input.authenticate();
    return result instanceof Promise
      ? result.then((later) => enter(call, later, house))
      : enter(call, result, house);
  },
};

function enter(
  call: Arrived,
  result: Awaited<ReturnType<Arrived["input"]["authenticate"]>>,
  { ledger }: House,
) {
  if (!result.ok) return refused(result.refusal);
  const principal = result.value;
  return Object.assign(call, { principal, reviewFloor: reviewFloor(principal.tenant, ledger) });
}
