// Vercel's AI SDK: node ai-sdk.mjs URL TOKEN
import { createMCPClient } from "@ai-sdk/mcp";

const [url, token] = process.argv.slice(2);
const client = await createMCPClient({
  transport: { type: "http", url, headers: { Authorization: `Bearer ${token}` } },
});
const tools = await client.tools();
const result = await tools["everything__echo"].execute(
  { message: "hello" },
  { toolCallId: "1", messages: [] },
);
console.log(JSON.stringify({ tools: Object.keys(tools), text: result.content[0].text }));
await client.close();
