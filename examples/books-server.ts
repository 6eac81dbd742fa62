import { Server } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";

/** A server whose second booking of one invoice would be a mistake: it keeps a list, in memory, and books whatever it is told. */
const invoices: { readonly number: string; readonly amount: number }[] = [];

const server = new Server({ name: "books", version: "1.0.0" }, { capabilities: { tools: {} } });

server.setRequestHandler("tools/list", () => ({
  tools: [
    {
      name: "list_invoices",
      description: "The invoices that are booked.",
      inputSchema: { type: "object" as const },
    },
    {
      name: "book_invoice",
      description: "Books an invoice.",
      inputSchema: {
        type: "object" as const,
        properties: { number: { type: "string" }, amount: { type: "number" } },
        required: ["number", "amount"],
      },
    },
  ],
}));

server.setRequestHandler("tools/call", (request) => {
  if (request.params.name === "list_invoices") return said(`${invoices.length} booked`);
  const { number, amount } = request.params.arguments as { number: string; amount: number }; // checked against the schema
  invoices.push({ number, amount });
  return said(`Booked ${number} over ${amount}, as booking ${invoices.length}.`);
});

const said = (text: string) => ({ content: [{ type: "text" as const, text }] });

await server.connect(new StdioServerTransport());
