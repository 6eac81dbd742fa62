import type { Tool } from "@modelcontextprotocol/client";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { TerminalError } from "@restatedev/restate-sdk";

const url = process.env["SIGNALBOX_URL"] ?? "http://127.0.0.1:7070";
const token = process.env["SIGNALBOX_TOKEN"] ?? "";
/** Longer than any call is listened to; what is still under way then is joined by the next attempt. */
const answerMsMax = 300_000;

const client = new Client({ name: "payer", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
await client.connect(
  new StreamableHTTPClientTransport(new URL("/mcp", url), {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
  }),
);

export const listTools = async (): Promise<readonly Tool[]> => (await client.listTools()).tools;

export interface NamedCall {
  readonly run: string;
  readonly step: string;
  readonly name: string;
  readonly args: Record<string, unknown>;
}

/** At most once, however often Restate asks: the names make asking again give back what is on record, or join what is under way. */
export async function callTool({ run, step, name, args }: NamedCall): Promise<string> {
  const { content, _meta } = await client.callTool(
    { name, arguments: args, _meta: { "dev.signalbox/run": run, "dev.signalbox/step": step } },
    { timeout: answerMsMax },
  );
  const text = content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
  const refusal = _meta?.["dev.signalbox/refusal"] as Refusal | undefined;
  if (refusal === undefined) return text;
  // Nothing happened, and asking again gives the same: that ends the workflow. Anything else is asked again by Restate, after a while: no
  // room, a server that is away, an approval that is not given yet, an outcome that a person has to settle.
  if (refusal.retry === "never" && refusal.effect !== "unknown")
    throw new TerminalError(`${name}: ${text} (${refusal.code})`);
  throw new Error(`${name}: ${text} (${refusal.code})`);
}

interface Refusal {
  readonly code: string;
  readonly retry: "now" | "later" | "never";
  readonly effect: "none" | "unknown" | "done";
}
