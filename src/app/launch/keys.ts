import type { Change } from "../../store/index.ts";
import type { Result } from "../../base/index.ts";
import { Fault } from "../../base/index.ts";
import type { NewApiKey, Principal, PrincipalRecord, TenantId } from "../../identity/index.ts";
import type { RunningNode } from "../node/node.ts";

/** An act by the node itself, with its entry. Throws a Fault when it cannot be done. */
export async function act<T>(
  { acts }: RunningNode,
  actor: Principal,
  action: string,
  subject: string | null,
  change: Result<Change<T>>,
  note: Readonly<Record<string, unknown>>,
): Promise<T> {
  if (!change.ok)
    throw new Fault(change.refusal.code, `${action}: ${change.refusal.detail}`, { effect: "none" });
  const done = await acts.perform({ actor, action, decision: null }, subject, change.value, note);
  if (!done.ok) throw new Fault(done.refusal.code, `${action}: ${done.refusal.detail}`, { effect: "none" });
  return done.value.value;
}

export function nodeOf({ identities }: RunningNode, tenant: TenantId): Principal {
  const node = identities.node(tenant);
  if (!node.ok) throw new Fault("config-invalid", `there is no tenant "${tenant}"`);
  return node.value;
}

/** Issues an API key; the secret itself is handed back this once. */
export async function issueKey(
  running: RunningNode,
  owner: PrincipalRecord,
  key: NewApiKey,
): Promise<string> {
  const node = nodeOf(running, owner.tenant);
  const change = running.identities.issueApiKey(node, owner.id, key);
  const action = `admin.${owner.kind}.issue-key`;
  const issued = await act(running, node, action, owner.id, change, { name: owner.name, label: key.label });
  return issued.secret;
}

/**
 * The key in `known` while it works and is this principal's; otherwise a new one, and those given out before under the same label
 * are revoked: there is one such key at a time.
 */
export async function keptKey(
  running: RunningNode,
  owner: PrincipalRecord,
  label: string,
  known: string | null,
): Promise<string> {
  const { identities } = running;
  if (known !== null) {
    const who = await identities.authenticate(known);
    if (who.ok && who.value.id === owner.id) return known;
  }
  const node = nodeOf(running, owner.tenant);
  const keys = identities.apiKeys(node, owner.id);
  const old = keys.ok ? keys.value.filter((key) => key.label === label) : [];
  for (const { id } of old) {
    const change = identities.revokeApiKey(node, owner.id, id);
    await act(running, node, `admin.${owner.kind}.revoke-key`, owner.id, change, {
      name: owner.name,
      key: id,
      label,
    });
  }
  return issueKey(running, owner, { label, ttlMs: null });
}
