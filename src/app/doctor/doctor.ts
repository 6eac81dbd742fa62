import type { Clock } from "../../base/index.ts";
import type { Config } from "../config/config.ts";
import { developmentDefaults } from "../config/production.ts";
import { connectionFileIn, readConnectionFile } from "../launch/connection-file.ts";
import { checkDataDirectory, checkFlush, checkKeyFile } from "./disk.ts";
import type { Finding } from "./finding.ts";
import { failed, fine, notChecked, odd } from "./finding.ts";
import { checkLedger } from "./ledger.ts";
import { checkDatabase } from "./database.ts";
import { checkListening } from "./network.ts";
import { checkProgram } from "./programs.ts";
import { checkWitness } from "./witnesses.ts";
import { checkRuns } from "./runs.ts";
import type { Environment } from "../environment.ts";
import type { ConfigTrouble, LoadedConfig } from "../launch/load-config.ts";
import type { Result } from "../../base/index.ts";
import { version } from "../version.ts";

export interface DoctorOptions {
  readonly environment: Environment;
  readonly clock: Clock;
  readonly loaded: Result<LoadedConfig, ConfigTrouble>;
  /** Also what `serve` would refuse. */
  readonly production: boolean;
}

/** Looks at everything that usually goes wrong, changes nothing but a probe file that it removes, and never throws. */
export async function examine(options: DoctorOptions): Promise<readonly Finding[]> {
  const { environment, clock, loaded } = options;
  const findings: Finding[] = [runtime(), settings(loaded)];
  if (!loaded.ok) return findings;
  const { config } = loaded.value;
  if (options.production) findings.push(production(config));
  findings.push(checkDataDirectory(config.data.directory), checkFlush(config.data.directory, clock));
  findings.push(checkKeyFile(config));
  findings.push(commandLine(config));
  findings.push(await checkListening(config, clock));
  for (const server of config.servers) findings.push(checkProgram(server, environment));
  if (config.data.postgres !== undefined) findings.push(...(await checkDatabase(config.data.postgres)));
  findings.push(await checkLedger(config.data, clock));
  for (const witness of config.ledger.witnesses)
    findings.push(await checkWitness(config.data, witness, clock));
  findings.push(await checkRuns(config.data, config.tenant));
  return findings;
}

/** The oldest version that runs our source without a build, and has the SQLite we use. */
const oldestNode = [22, 19] as const;

function runtime(): Finding {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split(".").map(Number);
  const [oldMajor, oldMinor] = oldestNode;
  const isOld = major < oldMajor || (major === oldMajor && minor < oldMinor);
  const id = "node-version";
  if (isOld) {
    return failed(
      id,
      `Node.js ${node} is too old`,
      `Install Node.js ${oldMajor}.${oldMinor} or newer; 24 is what we test most.`,
    );
  }
  return fine(id, `Signalbox ${version} on Node.js ${node}`);
}

function settings(loaded: DoctorOptions["loaded"]): Finding {
  const id = "configuration";
  if (!loaded.ok) {
    const { file, problems } = loaded.refusal;
    return failed(
      id,
      `${file} has ${count(problems.length, "problem")}:\n${problems.join("\n")}`,
      "Change these lines.",
    );
  }
  const { file, config } = loaded.value;
  return fine(
    id,
    file === null
      ? "no signalbox.yaml here: the defaults hold"
      : `${file}: ${count(config.servers.length, "server")}, ${count(config.policies.files.length, "policy pattern")}`,
  );
}

function production(config: Config): Finding {
  const id = "production";
  const defaults = developmentDefaults(config);
  if (defaults.length === 0) return fine(id, "no development default is in force");
  return failed(
    id,
    `\`serve\` would refuse to start:\n${defaults.join("\n")}`,
    "Set each of them in signalbox.yaml.",
  );
}

function commandLine(config: Config): Finding {
  const id = "command-line";
  const found = readConnectionFile(config.data.directory);
  switch (found.kind) {
    case "none":
      return notChecked(id, "no node has left a key for the command line in this data directory");
    case "unsafe":
      return odd(
        id,
        `${found.file} is not used: ${found.why}`,
        `chmod 600 ${connectionFileIn(config.data.directory)}`,
      );
    case "found":
      return fine(id, `the command line of this machine speaks to ${found.connection.url}`);
  }
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;
