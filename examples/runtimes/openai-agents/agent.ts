import { Agent, OpenAIResponsesModel, Runner, tool } from "@openai/agents";
import OpenAI from "openai";
// In a program of your own: from "signalbox/sdk".
import { RecordedModel, connect } from "../../../sdk/index.ts";

/**
 * An agent on OpenAI Agents that survives a crash: kill it wherever you like, start it again, and it goes on where it was.
 *
 *     SIGNALBOX_TOKEN=sbk_… OPENAI_API_KEY=… node openai-agents/agent.ts april "Pay the invoices of april"
 */
const url = process.env["SIGNALBOX_URL"] ?? "http://127.0.0.1:7070";
const token = process.env["SIGNALBOX_TOKEN"] ?? "";
const [run = "april", task = "Pay the invoices of april"] = process.argv.slice(2);

const result = await connect({ url, token }).run(run, async (step) => {
  const recorded = new RecordedModel(step);
  const listed = await step.tools("tools");
  const agent = new Agent({
    name: "payer",
    instructions: "Do what you are asked with the tools you have.",
    model: new OpenAIResponsesModel(new OpenAI({ fetch: recorded.fetch }), "gpt-5-mini"),
    tools: listed.map(({ name, description = "", inputSchema }) =>
      tool({
        name,
        description,
        parameters: {
          type: "object",
          properties: {},
          required: [],
          additionalProperties: true,
          ...inputSchema,
        },
        strict: false,
        execute: async (args, _context, details) =>
          (await recorded.tool(details?.toolCall?.callId ?? "", name, args)).text,
      }),
    ),
  });
  // Its own traces would go to OpenAI; what happened is in the ledger.
  const runner = new Runner({ tracingDisabled: true });
  const { finalOutput } = await runner.run(agent, task, { signal: step.signal, maxTurns: 20 });
  return finalOutput;
});
console.log(JSON.stringify(result));
