// OpenAI Agents: node openai-agents.mjs URL TOKEN
import { MCPServerStreamableHttp } from "@openai/agents";

const [url, token] = process.argv.slice(2);
const server = new MCPServerStreamableHttp({
  url,
  name: "signalbox",
  requestInit: { headers: { Authorization: `Bearer ${token}` } },
});
await server.connect();
const tools = await server.listTools();
const content = await server.callTool("everything__echo", { message: "hello" });
console.log(JSON.stringify({ tools: tools.map(({ name }) => name), text: content[0].text }));
await server.close();
