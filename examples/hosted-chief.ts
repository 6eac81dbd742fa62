// In a module of your own: import { ChildFailed, defineAgent } from "signalbox/sdk";
import { ChildFailed, defineAgent } from "../sdk/index.ts";

/**
 * An agent that has others work for it, side by side, and is out of memory meanwhile:
 *
 *     signalbox runs start chief --name may --input '{"months": [["2026-0501"], ["2026-0502", "2026-0503"]]}'
 *     signalbox runs show may
 */
export default defineAgent({
  name: "chief",
  version: "1",
  run: async (step, { months }: { readonly months: readonly (readonly string[])[] }) =>
    Promise.all(
      months.map(async (invoices, n) => {
        try {
          return await step.child<readonly string[]>(`clerk-${n}`, "clerk", { invoices });
        } catch (thrown) {
          if (!(thrown instanceof ChildFailed)) throw thrown; // what parks or stops a run is not ours
          return `not booked: ${thrown.reason}`;
        }
      }),
    ),
});
