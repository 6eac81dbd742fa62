import type { Clock } from "../../base/index.ts";
import { msOf } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { AddressScope, Net } from "../../net/index.ts";
import { Webhook } from "../../net/index.ts";
import type { Hook, StartOrder } from "../hook.ts";
import { startFailed, startRefused } from "../hook.ts";

export interface WebhookHookOptions {
  readonly startsMax: number;
  readonly attachWithinMs: number;
  readonly isFor: (owner: Principal) => boolean;
  readonly url: URL;
  /** As `webhookKeys` of `net` reads it, asked for with every request. */
  readonly secret: () => Promise<string>;
  readonly net: Net;
  readonly allow: readonly AddressScope[];
  readonly clock: Clock;
}

/** Asks somebody else to start an agent. Whoever does takes the order and starts later; a slow one is asked again, under the same id. */
export class WebhookHook implements Hook {
  readonly startsMax: number;
  readonly attachWithinMs: number;
  readonly room = Infinity;
  private readonly options: WebhookHookOptions;
  private webhook: Webhook | null = null;

  constructor(options: WebhookHookOptions) {
    this.options = options;
    this.startsMax = options.startsMax;
    this.attachWithinMs = options.attachWithinMs;
  }

  isFor(owner: Principal): boolean {
    return this.options.isFor(owner);
  }

  async start({ id, run, name, attempt, start }: StartOrder): Promise<void> {
    const { url, clock, secret } = this.options;
    this.webhook ??= new Webhook(this.options);
    const timestamp = new Date(msOf(clock.wall())).toISOString();
    const body = JSON.stringify({ type: "run.start", timestamp, data: { run, name, attempt, start } });
    const answer = await this.webhook.send({ id, body }, await secret(), null);
    switch (answer.kind) {
      case "taken":
        return;
      case "gone":
        throw startRefused(`${url.origin} starts no agents any more`);
      case "failed":
        throw startFailed(`${url.origin}: ${answer.detail}`);
    }
  }

  async stop(): Promise<void> {
    await this.webhook?.close();
    this.webhook = null;
  }
}
