import { invariant } from "../../base/index.ts";
import { webhookKeys } from "../../net/index.ts";
import type { SecretText } from "../../registry/index.ts";

/** A webhook as the file describes it. */
export interface WebhookSettings {
  readonly name: string;
  readonly url: string;
  readonly secret: SecretText;
}

export interface RawWebhook {
  readonly url: string;
  readonly secret: string;
}

export function webhookSettings(
  raw: Readonly<Record<string, RawWebhook>>,
  secrets: ReadonlyMap<string, SecretText>,
): readonly WebhookSettings[] {
  return Object.entries(raw).map(([name, { url }]) => {
    const secret = secrets.get(`${placeOf(name)}/secret`);
    invariant(secret !== undefined, "every webhook's secret was resolved");
    return { name, url, secret };
  });
}

/** What no schema can say. Never quotes a value. */
export function webhookProblems(
  webhooks: readonly WebhookSettings[],
): readonly { readonly pointer: string; readonly message: string }[] {
  return webhooks.flatMap(({ name, url, secret }) => {
    const problems: { pointer: string; message: string }[] = [];
    const parsed = URL.canParse(url) ? new URL(url) : null;
    const at = `${placeOf(name)}/url`;
    if (parsed === null) problems.push({ pointer: at, message: "is not a URL" });
    else if (parsed.username !== "" || parsed.password !== "")
      problems.push({ pointer: at, message: "has a user or password in it; an address is logged" });
    if ("literal" in secret && webhookKeys(secret.literal) === null) {
      problems.push({
        pointer: `${placeOf(name)}/secret`,
        message: "the value (not shown) is not whsec_ and 24 to 64 bytes in base64",
      });
    }
    return problems;
  });
}

// Names have neither slashes nor tildes.
const placeOf = (name: string): string => `/approvals/webhooks/${name}`;
