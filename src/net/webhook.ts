import { createHmac } from "node:crypto";
import type { Clock, WallMs } from "../base/index.ts";
import { deadlineIn, msOf } from "../base/index.ts";
import type { AddressScope } from "./address-guard.ts";
import { NetFailure } from "./failure.ts";
import type { Net } from "./net.ts";
import type { HttpPool } from "./pool.ts";

/** One event for a webhook. Sent again it keeps its id, by which its receiver knows that it has it already. */
export interface WebhookMessage {
  readonly id: string;
  readonly body: string; // JSON
}

/**
 *  taken   the receiver has it (2xx)
 *  gone    it wants no more of this (410)
 *  failed  anything else; whether it has it is not known. `afterMs`: how long it asks to be left alone, null = it does not say
 */
export type WebhookAnswer =
  | { readonly kind: "taken" }
  | { readonly kind: "gone" }
  | { readonly kind: "failed"; readonly detail: string; readonly afterMs: number | null };

/** The Standard Webhooks specification wants 15 to 30 s: a receiver is to take a message and work on it afterwards. */
const webhookTimeoutMs = 15_000;
/** Nothing of an answer but its status is of use. */
const answerBytesMax = 64 * 1024;
/** A receiver takes a few messages at a time; more connections would only be more to lose. */
const connectionsMax = 4;
const plainHeaders = ["content-type", "application/json", "user-agent", "signalbox"];

export interface WebhookOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly url: URL;
  readonly allow: readonly AddressScope[];
}

/**
 * Sends signed messages to one address as Standard Webhooks (standardwebhooks.com) has it: at most one attempt per call; when to try
 * again is the caller's to know. `close` when it is needed no more.
 */
export class Webhook {
  private readonly options: WebhookOptions;
  private readonly pool: HttpPool;

  constructor(options: WebhookOptions) {
    this.options = options;
    this.pool = options.net.openPool({ url: options.url, allow: options.allow, connectionsMax });
  }

  /** `secret` as `webhookKeys` reads it. Never throws: what went wrong is in the answer. */
  async send(message: WebhookMessage, secret: string, signal: AbortSignal | null): Promise<WebhookAnswer> {
    const { clock, url } = this.options;
    const keys = webhookKeys(secret);
    if (keys === null) return failed("its secret is not one or two of whsec_<24 to 64 bytes in base64>");
    try {
      const { status, headers } = await this.pool.request({
        method: "POST",
        path: `${url.pathname}${url.search}`,
        headers: [...plainHeaders, ...signatureHeaders(message, keys, clock.wall())],
        body: message.body,
        deadline: deadlineIn(clock, webhookTimeoutMs),
        signal,
        responseBytesMax: answerBytesMax,
      });
      if (status >= 200 && status < 300) return { kind: "taken" };
      if (status === 410) return { kind: "gone" };
      return failed(`it answered with status ${status}`, retryAfterMs(headers["retry-after"]));
    } catch (thrown) {
      if (thrown instanceof NetFailure) return failed(`${thrown.kind}: ${thrown.message}`);
      throw thrown;
    }
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}

/**
 * The keys of a secret: one, or two with a blank between them while receivers change from one to the other. Null = that is no
 * secret.
 */
export function webhookKeys(secret: string): readonly Buffer[] | null {
  const parts = secret.trim().split(/\s+/);
  const keys = parts.map((part) => {
    const base64 = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(part)?.[1];
    return base64 === undefined ? null : Buffer.from(base64, "base64");
  });
  const good = keys.filter((key) => key !== null && key.length >= 24 && key.length <= 64);
  return good.length === parts.length && parts.length <= 2 ? (good as Buffer[]) : null;
}

/** The time is the attempt's: receivers refuse what is older than a few minutes, so that nobody can play it to them again. */
function signatureHeaders({ id, body }: WebhookMessage, keys: readonly Buffer[], at: WallMs): string[] {
  const seconds = `${Math.floor(msOf(at) / 1000)}`;
  const signatures = keys.map(
    (key) => `v1,${createHmac("sha256", key).update(`${id}.${seconds}.${body}`).digest("base64")}`,
  );
  const signature = signatures.join(" ");
  return ["webhook-id", id, "webhook-timestamp", seconds, "webhook-signature", signature];
}

const failed = (detail: string, afterMs: number | null = null): WebhookAnswer => ({
  kind: "failed",
  detail,
  afterMs,
});

/** In seconds only; a date would be read by their clock. */
const retryAfterMs = (header: string | string[] | undefined): number | null =>
  typeof header === "string" && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : null;
