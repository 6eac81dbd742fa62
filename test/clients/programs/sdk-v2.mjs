// The official client, second version: node sdk-v2.mjs URL TOKEN auto|legacy
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [url, token, mode] = process.argv.slice(2);
const client = new Client({ name: "sdk-v2", version: "1" }, { versionNegotiation: { mode } });
await client.connect(
  new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
  }),
);
const { tools } = await client.listTools();
const result = await client.callTool({ name: "everything__echo", arguments: { message: "hello" } });
console.log(
  JSON.stringify({
    era: client.getProtocolEra(),
    tools: tools.map(({ name }) => name),
    text: result.content[0].text,
  }),
);
await client.close();
