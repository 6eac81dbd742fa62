// A client that only launches a command: node stdio.mjs COMMAND ARGUMENTS… (what it launches is the bridge under test)
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: "stdio", version: "1" });
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" }));
const { tools } = await client.listTools();
const result = await client.callTool({ name: "everything__echo", arguments: { message: "hello" } });
console.log(JSON.stringify({ tools: tools.map(({ name }) => name), text: result.content[0].text }));
await client.close();
