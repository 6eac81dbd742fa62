// In a module of your own: import { ContextExhausted, defineAgent } from "signalbox/sdk";
import { ContextExhausted, defineAgent } from "../sdk/index.ts";

type Messages = readonly string[];

/**
 * An agent whose conversation outgrows its model's context window, and goes on:
 *
 *     signalbox runs start writer --name novel --input '{"chapters": 6}'
 *     signalbox runs show novel
 */
export default defineAgent({
  name: "writer",
  version: "1",
  compact: (messages: Messages) => ({
    output: [`the story so far, in ${messages.length} messages`],
    tokens: { input: 40, output: 10 },
  }),
  run: async (step, { chapters }: { readonly chapters: number }) => {
    let messages: Messages = [];
    for (let n = 1; n <= chapters; n++) {
      messages = [...messages, `write chapter ${n}`];
      const chapter = await step.model(`chapter-${n}`, {
        messages,
        memory: "conversation",
        onCompacted: (shorter) => (messages = shorter),
        call: askModel,
      });
      messages = [...messages, chapter];
    }
    return messages;
  },
});

/** In place of a model, so that the example needs no key: one with room for five messages. */
async function askModel(messages: Messages) {
  if (messages.length > 5) throw new ContextExhausted({ needed: messages.length * 100, limit: 500 });
  return { output: `chapter after ${messages.length}`, tokens: { input: messages.length * 10, output: 10 } };
}
