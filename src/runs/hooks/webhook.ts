import { createHmac } from "node:crypto";
import type { Clock } from "../../base/index.ts";
import { Fault, deadlineIn, msOf } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { AddressScope, HttpPool, Net } from "../../net/index.ts";
import type { Hook, StartOrder } from "../hook.ts";

export interface WebhookOptions {
  readonly startsMax: number;
  readonly isFor: (owner: Principal) => boolean;
  readonly url: URL;
  /** `whsec_` and the key in base64, asked for with every request. */
  readonly secret: () => Promise<string>;
  readonly net: Net;
  readonly allow: readonly AddressScope[];
  readonly clock: Clock;
}

/** Whoever starts agents takes the order and starts later; a slow one is asked again, under the same id. */
const answerMs = 15_000;
/** Nobody reads the answer. */
const answerBytesMax = 65_536;

/** Asks somebody else to start an agent, signed as Standard Webhooks says: HMAC-SHA256 over `id.timestamp.body`. */
export class Webhook implements Hook {
  readonly startsMax: number;
  readonly isFull = false;
  private readonly options: WebhookOptions;
  private pool: HttpPool | null = null;

  constructor(options: WebhookOptions) {
    this.options = options;
    this.startsMax = options.startsMax;
  }

  isFor(owner: Principal): boolean {
    return this.options.isFor(owner);
  }

  async start({ id, run, name, attempt, start }: StartOrder): Promise<void> {
    const { url, net, allow, clock, secret } = this.options;
    this.pool ??= net.openPool({ url, allow, connectionsMax: 4 });
    const at = Math.floor(msOf(clock.wall()) / 1_000);
    const timestamp = new Date(at * 1_000).toISOString();
    const body = JSON.stringify({ type: "run.start", timestamp, data: { run, name, attempt, start } });
    const { status } = await this.pool.request({
      method: "POST",
      path: `${url.pathname}${url.search}`,
      headers: [
        ["host", url.host],
        ["content-type", "application/json"],
        ["webhook-id", id],
        ["webhook-timestamp", String(at)],
        ["webhook-signature", signatureOf(await secret(), id, at, body)],
      ].flat(),
      body,
      deadline: deadlineIn(clock, answerMs),
      signal: null,
      responseBytesMax: answerBytesMax,
    });
    if (status < 200 || status > 299)
      throw new Fault("upstream-rejected", `${url.origin} answered with HTTP ${status}`);
  }

  async stop(): Promise<void> {
    await this.pool?.close();
    this.pool = null;
  }
}

/** Standard Webhooks, symmetric: `v1,<base64>`. */
export function signatureOf(secret: string, id: string, at: number, body: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  return `v1,${createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64")}`;
}
