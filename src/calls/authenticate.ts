import type { Arrived, Authenticated } from "./stages.ts";
import type { Station } from "./station.ts";
import { refused } from "./station.ts";

export const authenticate: Station<Arrived, Authenticated> = {
  name: "authenticate",
  visit(call) {
    const result = call.input.authenticate();
    return result instanceof Promise ? result.then((later) => enter(call, later)) : enter(call, result);
  },
};

function enter(call: Arrived, result: Awaited<ReturnType<Arrived["input"]["authenticate"]>>) {
  if (!result.ok) return refused(result.refusal);
  return Object.assign(call, { principal: result.value });
}
