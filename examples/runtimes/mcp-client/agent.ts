import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Tool } from "@modelcontextprotocol/client";
import { attach } from "./journal.ts";

/**
 * An agent on nothing but an MCP client that survives a crash: kill it wherever you like, start it again, and it goes on where it was.
 * What it does with the node is plain MCP and plain HTTP, so that it can be done in any language.
 *
 *     SIGNALBOX_TOKEN=sbk_… OPENAI_API_KEY=… node mcp-client/agent.ts april "Pay the invoices of april"
 */
const url = process.env["SIGNALBOX_URL"] ?? "http://127.0.0.1:7070";
const token = process.env["SIGNALBOX_TOKEN"] ?? "";
const modelUrl = process.env["OPENAI_BASE_URL"] ?? "https://api.openai.com/v1";
const modelKey = process.env["OPENAI_API_KEY"] ?? "";
const [run = "april", task = "Pay the invoices of april"] = process.argv.slice(2);
const turnsMax = 20;

const journal = await attach({ url, token, run });
console.log(JSON.stringify(journal.end === null ? await work() : journal.end.result));

async function work(): Promise<string> {
  const client = new Client({ name: "payer", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
  await client.connect(
    new StreamableHTTPClientTransport(new URL("/mcp", url), {
      requestInit: { headers: { Authorization: `Bearer ${token}` } },
    }),
  );
  // The model is told of the same tools in every attempt.
  const tools = await journal.step("value", "tools", null, async () => (await client.listTools()).tools);
  const messages: Message[] = [{ role: "user", content: task }];
  for (let turn = 1; turn <= turnsMax; turn++) {
    // Made from all that was said before: a change of it is another request under this step, and refused.
    const answer = await journal.step("model", `model-${turn}`, messages, () => askModel(messages, tools));
    messages.push(answer);
    if (answer.tool_calls === undefined) {
      await client.close();
      return journal.finish(answer.content ?? "");
    }
    // The id is the recorded answer's, so it is the same in every attempt.
    const results = answer.tool_calls.map(({ id, function: { name, arguments: args } }) =>
      call(client, id, name, JSON.parse(args) as Record<string, unknown>),
    );
    messages.push(...(await Promise.all(results)));
  }
  throw new Error(`no end after ${turnsMax} turns`);
}

async function call(client: Client, id: string, name: string, args: Record<string, unknown>) {
  const { content, _meta } = await client.callTool(
    { name, arguments: args, _meta: journal.metaOf(`call.${id}`) },
    { timeout: 300_000 },
  );
  // An answer of the tool's may go to the model; a refusal ends this attempt, and the next one asks again.
  const refusal = _meta?.["dev.signalbox/refusal"];
  const text = content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
  if (refusal !== undefined) throw new Error(`${name}: ${text} ${JSON.stringify(refusal)}`);
  return { role: "tool", tool_call_id: id, content: text } as const;
}

async function askModel(messages: readonly Message[], tools: readonly Tool[]): Promise<Message> {
  const response = await fetch(`${modelUrl}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${modelKey}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "gpt-5-mini",
      messages,
      tools: tools.map(({ name, description, inputSchema }) => ({
        type: "function",
        function: { name, description, parameters: inputSchema },
      })),
    }),
  });
  if (!response.ok) throw new Error(`the model answered ${response.status}: ${await response.text()}`);
  const { choices } = (await response.json()) as {
    readonly choices: readonly [{ readonly message: Message }];
  };
  return choices[0].message;
}

interface Message {
  readonly role: "user" | "assistant" | "tool";
  readonly content: string | null;
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
}
