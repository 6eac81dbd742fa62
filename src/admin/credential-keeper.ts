import { Fault } from "../base/index.ts";
import type { Identities, TenantId } from "../identity/index.ts";
import type { ServerId, ServerRecord } from "../registry/index.ts";
import type { CredentialStore, KeptCredential } from "../upstream/index.ts";
import { secretsOfCredential } from "../upstream/index.ts";
import type { Vault } from "../vault/index.ts";
import { ownNamePrefix } from "../vault/index.ts";
import type { Acts } from "./act.ts";

/** Under which name the vault keeps what a server's authorization gave. Ids of servers are never used again. */
export const credentialName = (id: ServerId): string => `${ownNamePrefix}oauth.${id}`;

/**
 * Tokens of servers, in the vault and nowhere else. What the node does by itself with them (getting one, renewing one, losing one)
 * leaves an entry in its own name.
 */
export class CredentialKeeper implements CredentialStore {
  private readonly vault: Vault;
  private readonly identities: Identities;
  private readonly acts: Acts;

  constructor(rooms: { readonly vault: Vault; readonly identities: Identities; readonly acts: Acts }) {
    this.vault = rooms.vault;
    this.identities = rooms.identities;
    this.acts = rooms.acts;
  }

  async read({ tenant, id }: Pick<ServerRecord, "tenant" | "id">): Promise<KeptCredential | null> {
    const name = credentialName(id);
    const kept = await this.vault.own(tenant, name);
    if (kept !== null) this.learn(tenant, name, kept.text);
    return kept;
  }

  async write(server: ServerRecord, text: string, before: number | null): Promise<number> {
    const { tenant, id } = server;
    const node = this.identities.node(tenant);
    if (!node.ok) throw new Fault("not-found", "the server's tenant is gone", { effect: "none" });
    const name = credentialName(id);
    const change = await this.vault.putOwn(tenant, name, text, before);
    if (!change.ok) throw new Fault(change.refusal.code, change.refusal.detail, { effect: "none" });
    this.learn(tenant, name, text);
    const act = { actor: node.value, action: "admin.server.keep-credential", decision: null };
    const done = await this.acts.perform(act, id, change.value, { server: server.name });
    if (!done.ok) throw new Fault(done.refusal.code, done.refusal.detail, { effect: "none" });
    return done.value.value.version;
  }

  /** Removes what is kept for servers that are gone: those a configuration file no longer names. */
  async sweep(tenant: TenantId, isThere: (id: ServerId) => boolean): Promise<void> {
    const prefix = credentialName("" as ServerId);
    const node = this.identities.node(tenant);
    if (!node.ok) return;
    const kept = (await this.vault.list(tenant)).filter(({ name }) => name.startsWith(prefix));
    for (const { name } of kept) {
      const id = name.slice(prefix.length) as ServerId;
      if (isThere(id)) continue;
      const change = await this.vault.removeOwn(tenant, name);
      if (!change.ok) continue;
      const act = { actor: node.value, action: "admin.server.keep-credential", decision: null };
      await this.acts.perform(act, id, change.value, { removed: true });
    }
  }

  private learn(tenant: TenantId, name: string, text: string): void {
    this.vault.learn(tenant, name, secretsOfCredential(text));
  }
}
