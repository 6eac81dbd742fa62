// LangChain's adapters: node langchain.mjs URL TOKEN
import { MultiServerMCPClient } from "@langchain/mcp-adapters";

const [url, token] = process.argv.slice(2);
const client = new MultiServerMCPClient({
  mcpServers: { signalbox: { transport: "http", url, headers: { Authorization: `Bearer ${token}` } } },
});
const tools = await client.getTools();
const echo = tools.find(({ name }) => name === "everything__echo");
const text = await echo.invoke({ message: "hello" });
// With metadata of ours on it, what a tool answers is an object here.
console.log(JSON.stringify({ tools: tools.map(({ name }) => name), text: JSON.stringify(text) }));
await client.close();
