import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Effect } from "./history.ts";

/** Long enough that whoever is killed has calls under way. */
const answerMsMax = 120;

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: {
    readonly name: string;
    readonly arguments?: Arguments;
  };
}

interface Arguments {
  readonly to?: string;
  /** Several payments of one payer are told apart by it. */
  readonly amount?: number;
  readonly key?: string;
}

const properties = { to: { type: "string" }, amount: { type: "integer" }, key: { type: "string" } };
const input = { type: "object", properties, required: ["to"] };
const tools = ["pay", "ask", "put", "look"].map((name) => ({ name, inputSchema: input }));

/**
 * The world outside: a modern server that outlives every node. What it is asked to do it writes down, on the disk, before it takes its time
 * to answer. `pay` and `ask` are effects, `put` counts once per key, `look` changes nothing.
 */
export class Upstream {
  readonly effects: Effect[] = [];
  private readonly books: number;
  private readonly server: Server;
  private readonly chance: () => number;
  /** What has been booked and not answered. */
  private readonly open = new Set<string>();
  private held: PromiseWithResolvers<void> | null = null;

  constructor(file: string, chance: () => number) {
    this.books = openSync(file, "a");
    this.chance = chance;
    this.server = createServer((request, response) => {
      void text(request)
        .then((body) => this.answer(JSON.parse(body) as Request))
        .then((result) => response.writeHead(200, { "content-type": "application/json" }).end(result));
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    closeSync(this.books);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/mcp`;
  }

  isBusyWith(to: string): boolean {
    return this.open.has(to);
  }

  /** Books what it is asked for and answers nothing, until `body` is over. */
  async holds(body: () => Promise<void>): Promise<void> {
    this.held = Promise.withResolvers();
    try {
      await body();
    } finally {
      this.held.resolve();
      this.held = null;
    }
  }

  private async answer({ id, method, params }: Request): Promise<string> {
    const fresh = { resultType: "complete", ttlMs: 0, cacheScope: "public" };
    const say = (result: unknown): string => JSON.stringify({ jsonrpc: "2.0", id, result });
    if (method === "server/discover")
      return say({ ...fresh, supportedVersions: ["2026-07-28"], capabilities: { tools: {} } });
    if (method === "tools/list") return say({ ...fresh, tools });
    const { name, arguments: args = {} } = params;
    const { to = "" } = args;
    if (name !== "look") this.book(name, args);
    this.open.add(to);
    await new Promise((resolve) => setTimeout(resolve, this.chance() * answerMsMax));
    await this.held?.promise;
    this.open.delete(to);
    return say({ resultType: "complete", content: [{ type: "text", text: `${name} ${to}` }] });
  }

  private book(tool: string, { to = "", amount, key }: Arguments): void {
    const payee = amount === undefined ? to : `${to}/${amount}`;
    const effect: Effect = { tool, to: payee, key: key ?? null, at: Date.now() };
    writeSync(this.books, `${JSON.stringify(effect)}\n`);
    fsyncSync(this.books);
    this.effects.push(effect);
  }
}
