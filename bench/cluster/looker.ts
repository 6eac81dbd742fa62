import { defineAgent } from "../../sdk/index.ts";

/**
 * A hosted agent that looks again and again, and says each time which node's process started it: see takeover.ts. Elsewhere these are other
 * steps, since they are asked for with other arguments.
 */
export default defineAgent<{ readonly run: string; readonly looks: number }, string>({
  name: "looker",
  version: "1",
  run: async (step, { run, looks }) => {
    const by = process.ppid;
    for (let n = 0; n < looks; n++) await step.tool(`look-${by}-${n}`, "bank__look", { run, by });
    return "done";
  },
});
