import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import type { ServerInput } from "../../registry/index.ts";
import type { Finding } from "./finding.ts";
import { failed, fine, notChecked } from "./finding.ts";
import type { Environment } from "../environment.ts";

/** Whether a server's program can be started from here. */
export function checkProgram({ name, transport, enabled }: ServerInput, environment: Environment): Finding {
  const id = `server:${name}`;
  if (enabled === false) return notChecked(id, "disabled");
  if (transport.kind === "http")
    return notChecked(id, `${new URL(transport.url).origin}: probed by the node alone`);
  const found = findProgram(transport.command, environment);
  if (found !== null) return fine(id, found);
  return failed(
    id,
    `there is no program "${transport.command}" on PATH`,
    `Install it, or write its whole path in servers.${name}.command.`,
  );
}

/** The file a command means, as the system looks for it; null = there is none that may be run. */
function findProgram(command: string, { variables, workingDirectory, platform }: Environment): string | null {
  const endings =
    platform === "win32" ? ["", ...(variables["PATHEXT"] ?? ".EXE;.CMD;.BAT").split(";")] : [""];
  const isPath =
    isAbsolute(command) || command.includes("/") || (platform === "win32" && command.includes("\\"));
  const folders = isPath
    ? [""]
    : (variables["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const folder of folders) {
    for (const ending of endings) {
      const file = resolve(workingDirectory, join(folder, `${command}${ending}`));
      if (isProgram(file)) return file;
    }
  }
  return null;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
