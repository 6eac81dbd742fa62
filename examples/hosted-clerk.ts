// In a module of your own: import { defineAgent } from "signalbox/sdk";
import { defineAgent } from "../sdk/index.ts";

/**
 * An agent whose runs the node of `signalbox.yaml` starts, drives and parks:
 *
 *     signalbox runs start clerk --name april --input '{"invoices": ["2026-0501", "2026-0502"]}'
 *     signalbox runs tail april
 *
 * Kill its process, or the node: the run goes on where it was, and nothing is booked twice.
 */
export default defineAgent<{ readonly invoices: readonly string[] }, readonly string[]>({
  name: "clerk",
  version: "1",
  run: async (step, { invoices }) => {
    const booked: string[] = [];
    for (const number of invoices) {
      const amount = await step.model(`read-${number}`, { input: { number }, call: () => askModel(number) });
      const booking = await step.tool(`book-${number}`, "books__book_invoice", { number, amount });
      booked.push(booking.text);
      // Longer than a second: the run leaves memory, and is back in time.
      await step.sleep(`pause-${number}`, 2_000);
    }
    return booked;
  },
});

/** In place of a model, so that the example needs no key: another number at every call, as a model would. */
async function askModel(number: string) {
  const output = Math.round(Number(number.slice(-2)) * 100 + Math.random() * 100) / 100;
  return { output, model: "example", tokens: { input: 12, output: 3 } };
}
