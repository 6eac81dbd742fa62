import { tool } from "@langchain/core/tools";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode, toolsCondition } from "@langchain/langgraph/prebuilt";
import { ChatOpenAI } from "@langchain/openai";
// In a program of your own: from "signalbox/sdk".
import { RecordedModel, connect } from "../../../sdk/index.ts";

/**
 * A graph of LangGraph that survives a crash: kill it wherever you like, start it again, and it goes on where it was. It needs no
 * checkpointer: its nodes run again, and what they ask for is on record.
 *
 *     SIGNALBOX_TOKEN=sbk_… OPENAI_API_KEY=… node langgraph/agent.ts april "Pay the invoices of april"
 */
const url = process.env["SIGNALBOX_URL"] ?? "http://127.0.0.1:7070";
const token = process.env["SIGNALBOX_TOKEN"] ?? "";
const [run = "april", task = "Pay the invoices of april"] = process.argv.slice(2);

const result = await connect({ url, token }).run(run, async (step) => {
  // Nodes that ask a model at the same time have a RecordedModel each, under names of their own.
  const recorded = new RecordedModel(step);
  const tools = (await step.tools("tools")).map(({ name, description = "", inputSchema }) =>
    tool(
      async (args, { toolCall }: { readonly toolCall?: { readonly id?: string } }) =>
        (await recorded.tool(toolCall?.id ?? "", name, args)).text,
      { name, description, schema: inputSchema },
    ),
  );
  const model = new ChatOpenAI({ model: "gpt-5-mini", configuration: { fetch: recorded.fetch } });
  const graph = new StateGraph(MessagesAnnotation)
    .addNode("model", async ({ messages }) => ({ messages: [await model.bindTools(tools).invoke(messages)] }))
    .addNode("tools", new ToolNode(tools))
    .addEdge(START, "model")
    .addConditionalEdges("model", toolsCondition, ["tools", END])
    .addEdge("tools", "model")
    .compile();
  const { messages } = await graph.invoke(
    { messages: [{ role: "user", content: task }] },
    { signal: step.signal, recursionLimit: 40 },
  );
  return messages.at(-1)?.content;
});
console.log(JSON.stringify(result));
