import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

/** The reference client, connected the way the printed snippet says. */
export async function connected(url: string, token: string | null): Promise<Client> {
  const client = new Client({ name: "cli-test", version: "1.0.0" });
  const headers = token === null ? {} : { headers: { Authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: headers }));
  return client;
}
