import type { StdioRequest } from "./message.ts";

/** Subscriptions that are made again after a node was lost; more than a node grants. */
const urisMax = 256;

/** What a node keeps of a session only as long as it lives, as the client asked for it. */
export class Remembered {
  private level: string | null = null;
  private readonly uris = new Set<string>();

  /** A request that was granted. */
  note({ method, params }: StdioRequest): void {
    const { uri, level } = params;
    if (method === "logging/setLevel" && typeof level === "string") this.level = level;
    if (typeof uri !== "string") return;
    if (method === "resources/unsubscribe") this.uris.delete(uri);
    if (method === "resources/subscribe" && this.uris.size < urisMax) this.uris.add(uri);
  }

  /** Requests that make a node know it again. */
  requests(ownId: () => string): readonly string[] {
    const request = (method: string, params: object) =>
      JSON.stringify({ jsonrpc: "2.0", id: ownId(), method, params });
    return [
      ...(this.level === null ? [] : [request("logging/setLevel", { level: this.level })]),
      ...[...this.uris].map((uri) => request("resources/subscribe", { uri })),
    ];
  }
}
