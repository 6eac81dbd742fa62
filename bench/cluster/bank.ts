import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "../runs/child.ts";

/**
 * A modern server for takeover.ts: `look` answers after a while and remembers who looked last for which run; `pay` is never answered, so that
 * it is under way when its node dies. `node bench/cluster/bank.ts <milliseconds a look takes>`.
 */
export interface BankState {
  readonly payments: number;
  /** For each run, whose process looked last. */
  readonly lookers: Readonly<Record<string, number>>;
}

const takesMs = Number(process.argv[2] ?? 0);
const tools = ["pay", "look"].map((name) => ({
  name,
  description: "bench",
  inputSchema: { type: "object", properties: { run: { type: "string" }, by: { type: "integer" } } },
}));
const fresh = { resultType: "complete", ttlMs: 0, cacheScope: "public" };
const lookers: Record<string, number> = {};
let payments = 0;

interface Message {
  readonly id: number;
  readonly method: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: { readonly run?: string; readonly by?: number };
  };
}

async function resultFor({ method, params }: Message): Promise<unknown> {
  if (method === "server/discover")
    return { ...fresh, supportedVersions: ["2026-07-28"], capabilities: { tools: {} } };
  if (method === "tools/list") return { ...fresh, tools };
  if (params?.name === "pay") {
    payments++;
    return new Promise(() => {});
  }
  lookers[params?.arguments?.run ?? ""] = params?.arguments?.by ?? 0;
  await new Promise((resolve) => setTimeout(resolve, takesMs));
  return { resultType: "complete", content: [{ type: "text", text: "seen" }] };
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
  serve((server.address() as AddressInfo).port, async (): Promise<BankState> => ({ payments, lookers }));
});
