import type { Clock } from "../../base/index.ts";
import type { Principal, TenantId } from "../../identity/index.ts";
import type { Net } from "../../net/index.ts";
import type { SecretText } from "../../registry/index.ts";
import type { Hook } from "../../runs/index.ts";
import { CommandHook, WebhookHook } from "../../runs/index.ts";
import type { Log } from "../../telemetry/index.ts";
import { pickEnvironment } from "../../upstream/index.ts";
import type { Vault } from "../../vault/index.ts";
import type { HookSettings } from "../config/hooks.ts";
import type { Environment } from "../environment.ts";
import { kubernetesHook } from "./kubernetes-hook.ts";

/** The hooks of the configuration file, ready to start agents. Their secrets are those of the file's tenant. */
export function hooksOf(
  settings: readonly HookSettings[],
  parts: {
    readonly clock: Clock;
    readonly net: Net;
    readonly vault: Pick<Vault, "reveal">;
    readonly log: Log;
    readonly environment: Environment;
    readonly tenant: TenantId;
  },
): ReadonlyMap<string, Hook> {
  const { clock, net, vault, log, environment, tenant } = parts;
  const reveal = async (secret: SecretText): Promise<string> =>
    "literal" in secret ? secret.literal : vault.reveal(tenant, secret.vault);
  const hookOf = (hook: HookSettings): Hook => {
    const isFor = (owner: Principal) =>
      owner.tenant === tenant && owner.kind === "agent" && hook.agents.includes(owner.name);
    switch (hook.kind) {
      case "command":
        return new CommandHook({
          ...hook,
          isFor,
          directory: hook.cwd,
          environment: async () => {
            const own = Object.entries(hook.env).map(async ([name, value]) => [name, await reveal(value)]);
            return {
              ...pickEnvironment(environment.variables),
              ...(Object.fromEntries(await Promise.all(own)) as Record<string, string>),
            };
          },
          onExit: ({ name, run }, how) =>
            log.info("an agent that was started again has ended", { hook: hook.name, run, name, how }),
        });
      case "webhook":
        return new WebhookHook({
          startsMax: hook.startsMax,
          attachWithinMs: hook.attachWithinMs,
          isFor,
          url: new URL(hook.url),
          secret: () => reveal(hook.secret),
          net,
          // The operator's own file may lead to private addresses.
          allow: ["loopback", "private"],
          clock,
        });
      case "kubernetes":
        return kubernetesHook(hook, { isFor, reveal, environment, net, clock });
    }
  };
  return new Map(settings.map((hook) => [hook.name, hookOf(hook)]));
}
