import { join } from "node:path";
import { canonicalJson, parseStrictJson } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";
import type { ServerInput } from "../../registry/index.ts";
import type { Config } from "../config/config.ts";
import type { Import } from "../import/import.ts";
import { act, nodeOf } from "./keys.ts";
import type { RunningNode } from "../node/node.ts";
import { readPrivateFile, writePrivateFile } from "../data/private-file.ts";

/** Adds the demo servers, or brings them up to date when this checkout has moved. What was renamed or removed comes back. */
export async function putDemoServers(
  running: RunningNode,
  tenant: TenantId,
  servers: readonly ServerInput[],
): Promise<void> {
  const { registry } = running;
  const node = nodeOf(running, tenant);
  for (const server of servers) {
    const known = registry.serverNamed(tenant, server.name);
    if (known === null) await addServer(running, tenant, server, "demo");
    else if (known.origin === "api" && canonicalJson(known.transport) !== canonicalJson(server.transport)) {
      const change = registry.changeServer(tenant, known.id, { transport: server.transport });
      await act(running, node, "admin.server.change", known.id, change, {
        server: server.name,
        from: "demo",
      });
    }
  }
}

const rememberedFile = "imported.json";
/** A thousand names. */
const rememberedCharactersMax = 64 * 1_024;

/**
 * Registers the servers that clients of this machine use, each once: what was removed afterwards stays removed. Secrets go into
 * the vault before the server that uses them is added. Answers the names that were added.
 */
export async function takeFoundServers(
  running: RunningNode,
  config: Config,
  found: Import,
): Promise<readonly string[]> {
  const { tenant, data } = config;
  const { registry, vault } = running;
  const node = nodeOf(running, tenant);
  const file = join(data.directory, rememberedFile);
  const before = remembered(file);
  const added = found.servers.filter(
    ({ name }) => !before.has(name) && registry.serverNamed(tenant, name) === null,
  );
  if (added.length === 0) return [];
  const used = new Set(added.flatMap(vaultNames));
  for (const { name, value } of found.secrets) {
    if (!used.has(name)) continue;
    await act(running, node, "admin.vault.put", `vault/${name}`, await vault.put(tenant, name, value), {
      name,
    });
  }
  for (const server of added) await addServer(running, tenant, server, "import");
  writePrivateFile(file, `${JSON.stringify([...before, ...added.map(({ name }) => name)])}\n`);
  return added.map(({ name }) => name);
}

async function addServer(
  running: RunningNode,
  tenant: TenantId,
  server: ServerInput,
  from: string,
): Promise<void> {
  const change = running.registry.addServer(tenant, server);
  const subject = change.ok ? change.value.value.id : null;
  await act(running, nodeOf(running, tenant), "admin.server.add", subject, change, {
    server: server.name,
    from,
  });
}

/** Names of the secrets that a server's settings refer to. */
export function vaultNames({ transport }: ServerInput): readonly string[] {
  const texts = Object.values(transport.kind === "stdio" ? transport.env : transport.headers);
  return texts.flatMap((text) => ("vault" in text ? [text.vault] : []));
}

function remembered(file: string): ReadonlySet<string> {
  const read = readPrivateFile(file, rememberedCharactersMax);
  const parsed = read.kind === "found" ? parseStrictJson(read.text) : null;
  const names: readonly unknown[] = parsed?.ok === true && Array.isArray(parsed.value) ? parsed.value : [];
  return new Set(names.filter((name) => typeof name === "string"));
}
