import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, jsonSchema, tool } from "ai";
// In a program of your own: from "signalbox/sdk".
import { RecordedModel, connect } from "../../../sdk/index.ts";

/**
 * An agent on the AI SDK that survives a crash: kill it wherever you like, start it again, and it goes on where it was.
 *
 *     SIGNALBOX_TOKEN=sbk_… OPENAI_API_KEY=… node ai-sdk/agent.ts april "Pay the invoices of april"
 */
const url = process.env["SIGNALBOX_URL"] ?? "http://127.0.0.1:7070";
const token = process.env["SIGNALBOX_TOKEN"] ?? "";
const [run = "april", task = "Pay the invoices of april"] = process.argv.slice(2);

const result = await connect({ url, token }).run(run, async (step) => {
  const recorded = new RecordedModel(step);
  const openai = createOpenAI({ fetch: recorded.fetch });
  const listed = await step.tools("tools");
  const tools = Object.fromEntries(
    listed.map(({ name, description = "", inputSchema }) => [
      name,
      tool({
        description,
        inputSchema: jsonSchema(inputSchema),
        execute: async (args, { toolCallId }) => (await recorded.tool(toolCallId, name, args)).text,
      }),
    ]),
  );
  const { text } = await generateText({
    model: openai("gpt-5-mini"),
    tools,
    prompt: task,
    stopWhen: isStepCount(20),
    abortSignal: step.signal,
  });
  return text;
});
console.log(JSON.stringify(result));
