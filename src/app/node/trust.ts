import { Fault } from "../../base/index.ts";
import { Acts } from "../../admin/index.ts";
import { recoverCalls } from "../../calls/index.ts";
import { Identities, systemTenant } from "../../identity/index.ts";
import type { Principal, TenantId } from "../../identity/index.ts";
import { Keys } from "../../keys/index.ts";
import { Ledger } from "../../ledger/index.ts";
import type { LedgerAlert, WitnessAlert } from "../../ledger/index.ts";
import { Net } from "../../net/index.ts";
import type { Store } from "../../store/index.ts";
import type { Log } from "../../telemetry/index.ts";
import { Vault } from "../../vault/index.ts";
import { hasStartedBefore, installationId } from "../data/installation.ts";
import { KeyChange } from "../data/key-change.ts";
import { ownKeyFile, readKeyFile } from "../data/key-file.ts";
import { openWitnesses } from "./witnesses.ts";
import type { Data } from "./data.ts";
import type { Site } from "./site.ts";

/** Each loses only to a node that got further. */
const bootstrapTriesMax = 5;

/** What nothing is believed without: keys, the ledger, who is who, and the secrets of servers. */
export interface Trust {
  readonly keys: Keys;
  readonly net: Net;
  readonly ledger: Ledger;
  readonly identities: Identities;
  readonly acts: Acts;
  readonly vault: Vault;
  readonly tenants: () => readonly TenantId[];
  /** The principal that this installation acts as in a tenant, for what it does by itself; null = there is no such tenant. */
  readonly nodeOf: (tenant: TenantId) => Principal | null;
  /** The same where there is no going on without one. */
  readonly nodeIn: (tenant: TenantId) => Principal;
}

export async function openTrust(site: Site, data: Data): Promise<Trust> {
  const { config, clock, random, log } = site.options;
  const { onTrouble, onForgotten, shutdown } = site;
  const { store, node, doubt, remembered } = data;

  const kek = keyEncryptionKey(site, await hasStartedBefore(store));
  const previousKeks = config.keys.otherFiles.map(readKeyFile);
  const keys = new Keys({ store, random, clock, kek, previousKeks });
  data.onAnother(() => keys.readAnew());
  await site.open("the keys", keys);
  const net = new Net({ clock });
  net.start();
  shutdown.add("closing the HTTP client", () => net.stop());
  const outside = openWitnesses(config.ledger.witnesses, { net, clock });
  shutdown.add("closing the connections to witnesses", outside.close);
  const ledger = new Ledger({
    store,
    keys,
    clock,
    installationId: await installationId(store, clock, random),
    holder: node.holder,
    doubt,
    witnesses: outside.witnesses,
    witnessQuorum: config.ledger.witnessQuorum,
    onAlert: (alert) => say(log, alert),
    onCheckpoint: (tenant, checkpoint) => remembered.note(tenant, checkpoint),
  });
  shutdown.add("remembering checkpoints", () => remembered.stop());
  await site.open("the ledger", ledger);
  // A node that gives its lease back has left nothing: others look after those alone that fell silent.
  shutdown.add("recording what did not end in time", () =>
    recoverCalls({ clock, store, ledger, node: { ...node, fence: node.fence + 1 } }),
  );
  const { publicUrl } = config.listen;
  // A node with an address of its own makes tokens for it and takes no others, also not of a node with the same keys elsewhere.
  const resource = publicUrl === null ? {} : { audience: `${publicUrl}/mcp` };
  const identities = new Identities({
    store,
    keys,
    clock,
    random,
    onForgotten,
    ...config.identity,
    ...resource,
  });
  await site.open("the identities", identities);
  const acts = new Acts({ store, keys, ledger, clock, random });
  await bootstrap(identities, store);
  const nodeOf = (tenant: TenantId): Principal | null => {
    const found = identities.node(tenant);
    return found.ok ? found.value : null;
  };
  const nodeIn = (tenant: TenantId): Principal => {
    const found = nodeOf(tenant);
    if (found === null) throw new Fault("config-invalid", `tenant ${tenant} does not exist`);
    return found;
  };
  if (previousKeks.length > 0) {
    const actor = nodeIn(systemTenant);
    const change = new KeyChange({ clock, store, keys, acts, log, actor, kek, onTrouble });
    await site.open("the change of keys", change);
  }
  const vault = new Vault({ store, keys, clock });
  await site.open("the vault", vault);
  const tenants = () => identities.tenants().map((tenant) => tenant.id);
  return { keys, net, ledger, identities, acts, vault, tenants, nodeOf, nodeIn };
}

function keyEncryptionKey({ options: { config, random } }: Site, hasData: boolean): Uint8Array {
  return config.keys.file === null
    ? ownKeyFile(config.data.directory, hasData, random)
    : readKeyFile(config.keys.file);
}

function say(log: Log, alert: LedgerAlert | WitnessAlert): void {
  if (alert.kind !== "witness") return log.error("the ledger needs a look", { ...alert });
  if (alert.state === "current") return log.info("a witness co-signs the log again", { ...alert });
  if (alert.state === "contradicts")
    return log.error("A WITNESS CONTRADICTS THE LEDGER: it was rewritten, forked or put back", { ...alert });
  log.warn("a witness does not co-sign the log", { ...alert });
}

async function bootstrap(identities: Identities, store: Store): Promise<void> {
  for (let tries = 0; tries < bootstrapTriesMax; tries++) {
    const first = identities.bootstrap();
    if (!first.ok) throw new Fault("internal", first.refusal.detail);
    if (first.value.writes.length === 0) return;
    const verdict = await store.commit(first.value.writes);
    if (verdict.verdict === "done") return first.value.applied();
    await identities.refreshIfChanged(); // another node has begun at the same moment
  }
  throw new Fault("store-busy", "other nodes change the first tenants at the same time; start again");
}
