import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

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

export interface NamedCall {
  readonly run: string;
  readonly step: string;
  readonly name: string;
  readonly args: Record<string, unknown>;
}

/** Asking again cannot change it: nothing happened, and nothing will. */
export class Final extends Error {}

/** At most once, however often it is asked: the names make asking again give back what is on record, or join what is under way. */
export async function callTool({ run, step, name, args }: NamedCall): Promise<string> {
  const { content, _meta } = await client.callTool(
    { name, arguments: args, _meta: { "dev.signalbox/run": run, "dev.signalbox/step": step } },
    { timeout: answerMsMax },
  );
  const text = content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
  const refusal = _meta?.["dev.signalbox/refusal"] as Refusal | undefined;
  if (refusal === undefined) return text;
  const problem = `${name}: ${text} (${refusal.code})`;
  // An outcome that nobody knows is no end: a person or a verify tool settles it, and asking again then gives what it came to.
  if (refusal.retry === "never" && refusal.effect !== "unknown") throw new Final(problem);
  throw new Error(problem);
}

interface Refusal {
  readonly code: string;
  readonly retry: "now" | "later" | "never";
  readonly effect: "none" | "unknown" | "done";
}
