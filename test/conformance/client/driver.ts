import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { act } from "./scenarios.ts";

/**
 * The client that the suite's client side tests: the official one, against the address that the suite appends. With THROUGH=gateway
 * a node is started in front of that address and the client talks to the node.
 */
const { MCP_CONFORMANCE_SCENARIO: scenario = "", MCP_CONFORMANCE_PROTOCOL_VERSION: revision } = process.env;
const { MCP_CONFORMANCE_CONTEXT: context = "{}", THROUGH: through } = process.env;
const scenarioUrl = process.argv.at(-1) ?? "";

// Whoever goes without one need not load it.
const gateway =
  through === "gateway" ? await (await import("../gateway.ts")).Gateway.start(scenarioUrl) : null;
try {
  const client = newClient();
  await client.connect(new StreamableHTTPClientTransport(new URL(gateway?.url ?? scenarioUrl)));
  await act(scenario, client, JSON.parse(context));
  await client.close();
} finally {
  await gateway?.stop();
}

function newClient(): Client {
  const client = new Client(
    { name: "conformance-driver", version: "1.0.0" },
    {
      capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} },
      versionNegotiation: { mode: revision === "2026-07-28" ? { pin: revision } : "legacy" },
    },
  );
  client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: {} }));
  client.setRequestHandler("roots/list", () => ({ roots: [{ uri: "file:///work", name: "work" }] }));
  client.setRequestHandler("sampling/createMessage", () => ({
    role: "assistant",
    content: { type: "text", text: "Paris" },
    model: "none",
  }));
  return client;
}
