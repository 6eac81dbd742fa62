import { rmSync } from "node:fs";
import type { Result, WallMs } from "../../base/index.ts";
import { Fault, msOf, ok, refuse } from "../../base/index.ts";
import { adminName, systemTenant } from "../../identity/index.ts";
import type { Config } from "../config/config.ts";
import { developmentDefaults } from "../config/production.ts";
import { issueKey } from "./keys.ts";
import type { Launched, Process } from "./launch.ts";
import { launch } from "./launch.ts";
import type { RunningNode } from "../node/node.ts";
import { readPrivateFile, writeNewPrivateFile, writePrivateFile } from "../data/private-file.ts";

/** Long enough to make keys of one's own, short enough that a forgotten file opens nothing. */
const firstKeyTtlMs = 24 * 3_600_000;
const firstKeyLabel = "first start";
const keyCharactersMax = 1_024;

/**
 *  written     the file holds an API key of the admin of tenant `system`, for one day
 *  not-needed  that admin has a key already, or something is in the file
 */
export type FirstKey = "written" | "not-needed";

export interface Served extends Launched {
  readonly firstKey: FirstKey | null; // null = nobody asked for it
}

/** A node for production. Refused, each by name, while a development default is in force. */
export async function startServe(
  config: Config,
  firstKeyFile: string | null,
  host: Process,
): Promise<Result<Served, readonly string[]>> {
  const defaults = developmentDefaults(config);
  if (defaults.length > 0) return refuse(defaults);
  const destination =
    config.log.file === null ? { kind: "stderr" as const } : { kind: "file" as const, path: config.log.file };
  const launched = await launch("serve", config, destination, host);
  try {
    const firstKey = firstKeyFile === null ? null : await writeFirstKey(launched.running, firstKeyFile, host);
    return ok({ ...launched, firstKey });
  } catch (thrown) {
    await launched.stop();
    throw thrown;
  }
}

/**
 * Whoever can start the node with its data and its key file controls it anyway, so this gives nobody more. It leaves an entry,
 * and does nothing as soon as that admin has a key that works.
 */
async function writeFirstKey(running: RunningNode, file: string, { clock }: Process): Promise<FirstKey> {
  const { identities } = running;
  const node = identities.node(systemTenant);
  if (!node.ok) throw new Fault("internal", "there is no tenant system");
  const admin = identities.find(node.value, "person", adminName);
  if (!admin.ok) throw new Fault("internal", "tenant system has no admin");
  // Made below and not filled: that process died, and its key, if it came so far, ends in a day without anybody having seen it.
  const isUnfinished = isEmpty(file);
  const keys = identities.apiKeys(node.value, admin.value.id);
  const now = msOf(clock.wall());
  const works = (expiresAt: WallMs | null) => expiresAt === null || msOf(expiresAt) > now;
  const isSeen = (label: string) => !isUnfinished || label !== firstKeyLabel;
  if (keys.ok && keys.value.some(({ expiresAt, label }) => works(expiresAt) && isSeen(label)))
    return "not-needed";
  // The file comes first: a key that nobody could read would block the next try for a day.
  try {
    if (!isUnfinished) writeNewPrivateFile(file, "");
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST") return "not-needed";
    throw new Fault("config-invalid", `the file for the first admin key cannot be written: ${file}`, {
      cause: thrown,
    });
  }
  try {
    const secret = await issueKey(running, admin.value, { label: firstKeyLabel, ttlMs: firstKeyTtlMs });
    writePrivateFile(file, `${secret}\n`);
    return "written";
  } catch (thrown) {
    rmSync(file, { force: true });
    throw thrown;
  }
}

function isEmpty(file: string): boolean {
  const found = readPrivateFile(file, keyCharactersMax);
  return found.kind === "found" && found.text === "";
}
