// In a module of your own: import { defineAgent } from "signalbox/sdk";
import { defineAgent } from "../../sdk/index.ts";

/** Writes a report a day, and says which process wrote it. The tour kills that process in the middle. */
export default defineAgent<{ readonly days: readonly string[] }, readonly string[]>({
  name: "clerk",
  version: "1",
  run: async (step, { days }) => {
    const written: string[] = [];
    for (const day of days) {
      // On record with the step: a process that starts again is given the number of the one that did it.
      const writer = await step.value<number>(`writer-${day}`, () => process.pid);
      const content = `${day}: all quiet, says process ${writer}.`;
      await step.tool(`write-${day}`, "files__write_file", { path: `reports/${day}.txt`, content });
      written.push(content);
      await step.sleep(`night-after-${day}`, 500);
    }
    return written;
  },
});
