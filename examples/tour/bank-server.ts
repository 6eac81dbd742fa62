import { appendFileSync } from "node:fs";
import { Server } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";

/** A bank that pays whatever it is told to, as often as it is told, and writes each payment into its books: the file BOOKS. */
const server = new Server({ name: "bank", version: "1.0.0" }, { capabilities: { tools: {} } });

server.setRequestHandler("tools/list", () => ({
  tools: [
    {
      name: "transfer",
      description: "Transfers money, at once and for good.",
      inputSchema: {
        type: "object" as const,
        properties: { to: { type: "string" }, amount: { type: "integer" } },
        required: ["to", "amount"],
        additionalProperties: false,
      },
    },
  ],
}));

server.setRequestHandler("tools/call", (request) => {
  const { to, amount } = request.params.arguments as { to: string; amount: number };
  appendFileSync(process.env["BOOKS"] ?? "books.txt", `${amount} EUR to ${to}\n`);
  return { content: [{ type: "text" as const, text: `Transferred ${amount} EUR to ${to}.` }] };
});

await server.connect(new StdioServerTransport());
