import { homedir } from "node:os";

/** What the process was started with. */
export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly workingDirectory: string;
  readonly platform: NodeJS.Platform;
}

/** The only place that reads the process's environment. A copy: later changes are not seen. */
export function readEnvironment(): Environment {
  return Object.freeze({
    variables: Object.freeze({ ...process.env }),
    home: homeOf(),
    workingDirectory: process.cwd(),
    platform: process.platform,
  });
}

/** A container may run under a number that no user of its system has, which has no home either; as login does, it gets the root. */
function homeOf(): string {
  try {
    return homedir();
  } catch {
    return "/";
  }
}
