import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

/**
 * An agent as far as Signalbox sees one, on the official SDK. Start the node of `signalbox.yaml` beside it, then:
 *
 *     SIGNALBOX_TOKEN=sbk_… node examples/agent.ts
 */
const url = process.env["SIGNALBOX_URL"] ?? "http://127.0.0.1:7070";
const token = process.env["SIGNALBOX_TOKEN"] ?? "";

// "auto" asks for the newest revision; without it the SDK speaks the sessions of 2025-11-25, which work as well.
const client = new Client({ name: "bookkeeper", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
await client.connect(
  new StreamableHTTPClientTransport(new URL("/mcp", url), {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
  }),
);
console.log(`MCP ${client.getNegotiatedProtocolVersion() ?? ""}`);

// 1. What may this agent use? Only what policy lets it and what is healthy is listed.
const { tools } = await client.listTools();
console.log(`tools: ${tools.map(({ name }) => name).join(", ")}`);

// 2. A call that names a run and a step. Asked again, whatever happened in between, it gives back what was recorded.
const run = process.argv[2] ?? "invoice-2026-0417";
const booking = {
  name: "books__book_invoice",
  arguments: { number: "2026-0417", amount: 249.5 },
  _meta: { "dev.signalbox/run": run, "dev.signalbox/step": "book" },
};
const first = await client.callTool(booking);
const again = await client.callTool(booking);
console.log(`booked: ${textOf(first)}`);
console.log(`again:  ${textOf(again)}`);
console.log(`receipt: ${entryOf(first) ?? "none"}, the same again: ${entryOf(first) === entryOf(again)}`);

// 3. A call that is refused. The text is for the model; the code, and whether anything happened, is for you.
const large = await client.callTool({
  name: "books__book_invoice",
  arguments: { number: "2026-0418", amount: 12_000 },
});
console.log(`refused: ${textOf(large)}`);
console.log(JSON.stringify(large._meta?.["dev.signalbox/refusal"]));

await client.close();

type Result = Awaited<ReturnType<typeof client.callTool>>;

function textOf({ content }: Result): string {
  const [part] = content;
  return part?.type === "text" ? part.text : "";
}

/** The entry in the ledger: `signalbox audit prove <entry>`. */
function entryOf({ _meta }: Result): string | undefined {
  const receipt = _meta?.["dev.signalbox/receipt"] as { readonly entry: string } | undefined;
  return receipt?.entry;
}
