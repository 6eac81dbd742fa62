import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Config, NodeRole } from "../config/config.ts";
import { defaultConfig, problemText, readConfig } from "../config/config.ts";
import type { Environment } from "../environment.ts";

export interface ConfigRequest {
  readonly environment: Environment;
  /** As given on the command line; null = `signalbox.yaml` of the working directory, if there is one. */
  readonly file: string | null;
  /** What the command line says wins over the file. */
  readonly data?: string;
  readonly host?: string;
  readonly port?: number;
  readonly nodeName?: string;
  readonly roles?: readonly NodeRole[];
}

export interface LoadedConfig {
  readonly config: Config;
  /** null = there is none: the defaults hold. */
  readonly file: string | null;
}

/** All that is wrong, one line each: `file:line:column path: message`. */
export interface ConfigTrouble {
  readonly file: string;
  readonly problems: readonly string[];
}

const usualNames = ["signalbox.yaml", "signalbox.yml"] as const;

/** How a node is to start, from the file and the command line together. */
export function loadConfig(request: ConfigRequest): Result<LoadedConfig, ConfigTrouble> {
  const { environment } = request;
  const { workingDirectory } = environment;
  const file =
    request.file === null
      ? (usualNames.map((name) => join(workingDirectory, name)).find((each) => existsSync(each)) ?? null)
      : resolve(workingDirectory, request.file);
  if (file === null)
    return ok({ config: merged(defaultConfig(join(workingDirectory, usualNames[0])), request), file });
  const text = readText(file);
  if (!text.ok) return refuse({ file, problems: [`${file}: ${text.refusal}`] });
  const read = readConfig({ text: text.value, file, env: environment.variables });
  if (!read.ok) return refuse({ file, problems: read.refusal.map((problem) => problemText(file, problem)) });
  return ok({ config: merged(read.value, request), file });
}

function merged(config: Config, request: ConfigRequest): Config {
  const { data, host, port, nodeName, roles, environment } = request;
  const given = new Set(config.given);
  if (data !== undefined) given.add("data.directory");
  return Object.freeze({
    ...config,
    given,
    node: {
      name: nodeName ?? config.node.name,
      roles: roles ?? config.node.roles,
    },
    data:
      data === undefined
        ? config.data
        : { ...config.data, directory: resolve(environment.workingDirectory, data) },
    listen: {
      ...config.listen,
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
    },
  });
}

function readText(file: string): Result<string, string> {
  try {
    return ok(readFileSync(file, "utf8"));
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
    return refuse(code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`);
  }
}
