import { Fault } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { defaultTenant, systemTenant } from "../identity/index.ts";
import { storedPublicKey } from "../keys/index.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { openCheckpoint, parseCheckpoint } from "./checkpoint.ts";
import type { VerifierKey } from "./note.ts";
import { parseVerifierKey, verifierKey, verifierKeyText } from "./note.ts";
import { entryTable, headTable, sequenceTable } from "./tables.ts";
import type { LedgerReport, TenantReport } from "./verify-report.ts";
import type { LedgerRead, PayloadOpener } from "./verify-tenant.ts";
import { TenantWalk } from "./verify-tenant.ts";

export interface VerifyOptions {
  /**
   * The log's public key in any tenant's verifier-key form, from a source the reader trusts: it also fixes the installation id.
   * Left out: the key in the store, which proves only that the store agrees with itself.
   */
  readonly verifierKey?: string;
  /** Checkpoints kept outside: without one, a log rolled back to an earlier state of its own looks whole. */
  readonly remembered?: readonly string[];
  /** Tenants to look at beside those that have a head. */
  readonly tenants?: readonly TenantId[];
  /** Left out: payloads are counted, not opened. */
  readonly openPayload?: PayloadOpener;
}

const tenantsPerPage = 1000;

/**
 * Proves a ledger from what is stored: every leaf hash from its leaf, every root from the leaves, every checkpoint from the
 * trusted key, one tree for all of them. Reads only. Throws Fault `config-invalid` when an option cannot be used.
 *
 * What it cannot see: without a trusted key, that everything was rewritten and signed with another one; without a remembered
 * checkpoint, that the newest entries, batches and checkpoints were removed together.
 */
export async function verifyLedger(read: LedgerRead, options: VerifyOptions = {}): Promise<LedgerReport> {
  const given = options.verifierKey === undefined ? null : trustedKey(options.verifierKey);
  const publicKey = given?.raw ?? (await storedPublicKey(read, "log"));
  const remembered = (options.remembered ?? []).map(rememberedCheckpoint);
  const installation = given === null ? null : splitOrigin(given.name).installation;
  const tenants: TenantReport[] = [];
  for await (const { tenant, origin } of logsIn(read, options.tenants ?? [], remembered, installation)) {
    // A store that never started has neither key nor entries; one with a log and without a key was robbed of it.
    if (publicKey?.byteLength !== 32)
      throw unusable("there is no public key in the store, and none was given");
    const trusted = verifierKey(origin, publicKey);
    tenants.push(await verifyTenant(read, tenant, trusted, remembered, options.openPayload ?? null));
  }
  return {
    isIntact: tenants.every((report) => report.broken === null),
    trust: given === null ? "store" : "given",
    tenants,
  };
}

async function verifyTenant(
  read: LedgerRead,
  tenant: TenantId,
  trusted: VerifierKey,
  remembered: readonly Remembered[],
  openPayload: PayloadOpener | null,
): Promise<TenantReport> {
  const own: Checkpoint[] = [];
  for (const { note, origin } of remembered) {
    if (origin !== trusted.name) continue;
    const checkpoint = openCheckpoint(note, trusted);
    if (!checkpoint.ok)
      throw unusable(`the remembered checkpoint of ${origin}: ${checkpoint.refusal.detail}`);
    own.push(checkpoint.value);
  }
  const walk = new TenantWalk({ read, tenant, trusted, remembered: own, openPayload });
  const broken = await walk.run();
  const { proven, checkpoints, checkpoint, payloads, tail } = walk;
  return {
    tenant,
    origin: trusted.name,
    verifierKey: verifierKeyText(trusted.name, trusted.raw),
    proven,
    checkpoints,
    checkpoint,
    payloads,
    tail,
    broken,
  };
}

/** Every tenant that may have entries, and the origin its checkpoints must have. */
async function* logsIn(
  read: LedgerRead,
  more: readonly TenantId[],
  remembered: readonly Remembered[],
  installation: string | null,
): AsyncGenerator<{ readonly tenant: TenantId; readonly origin: string }> {
  const seen = new Set<TenantId>();
  let fallback = installation;
  let after: string | undefined;
  for (;;) {
    const heads = await read.list(headTable, {
      index: "key",
      ...(after === undefined ? {} : { after }),
      limit: tenantsPerPage,
    });
    for (const head of heads) {
      // Written by a sequencer under a tenant's id.
      const tenant = head.tenant as TenantId;
      seen.add(tenant);
      fallback ??= splitOrigin(head.origin).installation;
      yield { tenant, origin: installation === null ? head.origin : `${installation}/${tenant}` };
    }
    after = heads.at(-1)?.tenant;
    if (after === undefined) break;
  }
  // A log whose head is gone is still known by what was remembered of it.
  for (const { origin } of remembered) {
    const { tenant } = splitOrigin(origin);
    if (seen.has(tenant)) continue;
    seen.add(tenant);
    yield { tenant, origin };
  }
  for (const tenant of new Set([systemTenant, defaultTenant, ...more])) {
    if (seen.has(tenant)) continue;
    const [entry] = await read.listLog(entryTable, { partition: tenant, limit: 1 });
    const [batch] = await read.list(sequenceTable, { index: "key", equals: { tenant }, limit: 1 });
    if (entry === undefined && batch === undefined) continue;
    yield { tenant, origin: `${fallback ?? "unknown"}/${tenant}` };
  }
}

function splitOrigin(origin: string): { readonly installation: string; readonly tenant: TenantId } {
  const at = origin.lastIndexOf("/");
  return { installation: origin.slice(0, Math.max(0, at)), tenant: origin.slice(at + 1) as TenantId };
}

interface Remembered {
  readonly note: string;
  readonly origin: string;
}

function rememberedCheckpoint(note: string): Remembered {
  const checkpoint = parseCheckpoint(note);
  if (checkpoint === null) throw unusable("a remembered checkpoint is not one");
  return { note, origin: checkpoint.origin };
}

function trustedKey(text: string): VerifierKey {
  const key = parseVerifierKey(text);
  if (key === null) throw unusable("the verifier key is not of the form <origin>+<id>+<key>");
  return key;
}

const unusable = (what: string): Fault => new Fault("config-invalid", `cannot verify with this: ${what}`);
