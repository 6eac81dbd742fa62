// The official client, first version: node sdk-v1.mjs URL TOKEN
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, token] = process.argv.slice(2);
const client = new Client({ name: "sdk-v1", version: "1" });
await client.connect(
  new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
  }),
);
const { tools } = await client.listTools();
const result = await client.callTool({ name: "everything__echo", arguments: { message: "hello" } });
console.log(JSON.stringify({ tools: tools.map(({ name }) => name), text: result.content[0].text }));
await client.close();
