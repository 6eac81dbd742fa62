// In a program of your own: import { connect } from "signalbox/sdk";
import { connect } from "../sdk/index.ts";

/**
 * An agent that survives a crash. Start the node of `signalbox.yaml` beside it, then:
 *
 *     SIGNALBOX_TOKEN=sbk_… node examples/durable-agent.ts
 *
 * Kill it wherever you like and start it again: the model is not asked twice, nothing is booked twice, and it ends with the same result.
 */
const url = process.env["SIGNALBOX_URL"] ?? "http://127.0.0.1:7070";
const token = process.env["SIGNALBOX_TOKEN"] ?? "";
const run = process.argv[2] ?? "invoices-april";
const invoices = ["2026-0501", "2026-0502", "2026-0503"];

const result = await connect({ url, token }).run(run, async (step) => {
  const startedAt = await step.now("started");
  const booked: string[] = [];
  for (const number of invoices) {
    // 1. A model call that the agent makes itself: made once, then on record.
    const amount = await step.model(`read-${number}`, {
      input: { number },
      call: () => askModel(number),
    });
    // 2. A tool call: at most once, also when this process or the node dies in the middle of it.
    const booking = await step.tool(`book-${number}`, "books__book_invoice", { number, amount });
    booked.push(booking.text);
    // 3. For the demonstration: die here, as a power cut would.
    if (number === process.env["DIE_AFTER"]) process.kill(process.pid, "SIGKILL");
  }
  return { startedAt, booked };
});
console.log(JSON.stringify(result));

/** In place of a model: dear, slow, and never the same twice. */
function askModel(number: string) {
  console.error(`asking the model about ${number}`);
  const cents = Math.floor(Math.random() * 90_000);
  return { output: cents / 100, model: "dice-1", tokens: { input: 120, output: 4 } };
}
