import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "./child.ts";

/**
 * A modern server with one tool, which says that it has paid, and counts how often it was told to pay what:
 * `node bench/runs/bank.ts [milliseconds it takes]`.
 */
const inputSchema = { type: "object", properties: { to: { type: "string" }, amount: { type: "integer" } } };
const tools = [{ name: "pay", description: "bench", inputSchema }];
const fresh = { resultType: "complete", ttlMs: 0, cacheScope: "public" };
const takesMs = Number(process.argv[2] ?? 0);
const paid = new Map<string, number>();

interface Message {
  readonly id: number;
  readonly method: string;
  readonly params?: { readonly arguments?: { readonly to?: string } };
}

async function resultFor({ method, params }: Message): Promise<unknown> {
  if (method === "server/discover")
    return { ...fresh, supportedVersions: ["2026-07-28"], capabilities: { tools: {} } };
  if (method === "tools/list") return { ...fresh, tools };
  const to = params?.arguments?.to ?? "";
  paid.set(to, (paid.get(to) ?? 0) + 1);
  if (takesMs > 0) await new Promise((resolve) => setTimeout(resolve, takesMs));
  return { resultType: "complete", content: [{ type: "text", text: "paid" }] };
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const message = JSON.parse(Buffer.concat(chunks).toString()) as Message;
    void resultFor(message).then((result) => {
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
    });
  });
});
server.keepAliveTimeout = 60_000;
server.listen({ host: "127.0.0.1", port: 0 }, () => {
  process.on("disconnect", () => process.exit(0));
  serve((server.address() as AddressInfo).port, async () => ({
    payments: paid.size,
    mostOften: Math.max(0, ...paid.values()),
  }));
});
