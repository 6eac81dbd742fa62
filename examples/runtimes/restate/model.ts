import type { Tool } from "@modelcontextprotocol/client";

const url = process.env["OPENAI_BASE_URL"] ?? "https://api.openai.com/v1";
const key = process.env["OPENAI_API_KEY"] ?? "";

export interface Message {
  readonly role: "user" | "assistant" | "tool";
  readonly content: string | null;
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
}

/** One answer. Restate keeps it, so it is asked for again only when nobody knows what it was. */
export async function askModel(messages: readonly Message[], tools: readonly Tool[]): Promise<Message> {
  const response = await fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
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
