import { ok } from "../base/index.ts";
import type { Result } from "../base/index.ts";
import type { Identities, KeyHolding } from "../identity/index.ts";

/** Why nobody is signed in with what was typed. */
export type NoActor = "not-a-key" | "a-persons-key";

/**
 * Whose key this is. What a client does it does as an agent, or as a service: people administer and approve, and their keys are not
 * to be typed where any program's link leads.
 */
export async function actorOf(
  identities: Pick<Identities, "keyHolding" | "refreshIfChanged">,
  secret: string,
): Promise<Result<KeyHolding, NoActor>> {
  // Another node made it a moment ago, or revoked it: what is got for it now would outlive it by hours.
  if (secret.startsWith("sbk_")) await identities.refreshIfChanged();
  const held = identities.keyHolding(secret);
  if (!held.ok) return { ok: false, refusal: "not-a-key" };
  return held.value.record.kind === "person" ? { ok: false, refusal: "a-persons-key" } : ok(held.value);
}
