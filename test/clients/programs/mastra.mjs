// Mastra: node mastra.mjs URL TOKEN
import { MCPClient } from "@mastra/mcp";

const [url, token] = process.argv.slice(2);
const client = new MCPClient({
  servers: {
    signalbox: { url: new URL(url), requestInit: { headers: { Authorization: `Bearer ${token}` } } },
  },
});
// Mastra puts its own name of the server before each tool's.
const tools = await client.listTools();
const names = Object.keys(tools);
if (names.length === 0) throw new Error("no tools");
const result = await tools["signalbox_everything__echo"].execute({ message: "hello" });
console.log(
  JSON.stringify({
    tools: names.map((name) => name.replace(/^signalbox_/, "")),
    text: result.content?.[0]?.text ?? JSON.stringify(result),
  }),
);
await client.disconnect();
