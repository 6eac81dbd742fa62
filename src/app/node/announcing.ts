import type { ApprovalId, CourierOptions } from "../../approvals/index.ts";
import { Courier, forgetOtherTargets } from "../../approvals/index.ts";
import type { Clock, Random } from "../../base/index.ts";
import { explain } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";
import type { Net } from "../../net/index.ts";
import { Webhook } from "../../net/index.ts";
import type { Store } from "../../store/index.ts";
import type { WebhookSettings } from "../config/webhooks.ts";

export interface AnnouncingOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly net: Net;
  /** Whose webhooks these are. */
  readonly tenant: TenantId;
  readonly webhooks: readonly WebhookSettings[];
  /** From the vault of the tenant. */
  readonly reveal: (name: string) => Promise<string>;
  readonly urlOf: (id: ApprovalId) => string | null;
  readonly nameOf: CourierOptions["nameOf"];
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/** A webhook and a courier for each that the configuration names. */
export class Announcing {
  private readonly options: AnnouncingOptions;
  private running: { readonly courier: Courier; readonly webhook: Webhook }[] = [];

  constructor(options: AnnouncingOptions) {
    this.options = options;
  }

  get targets(): readonly string[] {
    return this.options.webhooks.map(({ name }) => name);
  }

  async start(): Promise<void> {
    await forgetOtherTargets(this.options.store, this.targets);
    this.running = this.options.webhooks.map((settings) => this.open(settings));
    for (const { courier } of this.running) courier.start();
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.running.map(({ courier }) => courier.stop()));
    await Promise.allSettled(this.running.map(({ webhook }) => webhook.close()));
  }

  private open({ name, url, secret }: WebhookSettings): { courier: Courier; webhook: Webhook } {
    const { net, clock, reveal } = this.options;
    // The operator's file may lead to private addresses, as it may for servers.
    const webhook = new Webhook({ net, clock, url: new URL(url), allow: ["loopback", "private"] });
    const courier = new Courier({
      ...this.options,
      target: name,
      send: async (message, signal) => {
        try {
          const key = "literal" in secret ? secret.literal : await reveal(secret.vault);
          return await webhook.send(message, key, signal);
        } catch (thrown) {
          return { kind: "failed", detail: explain(thrown), afterMs: null };
        }
      },
    });
    return { courier, webhook };
  }
}
