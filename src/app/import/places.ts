import { posix, win32 } from "node:path";
import type { Environment } from "../environment.ts";

type ImportClient = "claude-code" | "claude-desktop" | "cursor" | "vscode" | "copilot" | "project";

/** Where a client keeps its MCP servers. */
export interface ImportPlace {
  readonly client: ImportClient;
  readonly path: string;
}

/**
 * The usual places, in the order in which a name that stands in several of them is decided: what belongs to this directory before
 * what belongs to the person.
 */
export function importPlaces(environment: Environment): readonly ImportPlace[] {
  const { home, workingDirectory, platform, variables } = environment;
  const join = (...parts: string[]): string =>
    platform === "win32" ? win32.join(...parts) : posix.join(...parts);
  const settings = settingsDirectory(environment);
  const places: readonly (readonly [ImportClient, string])[] = [
    ["project", join(workingDirectory, "mcp.json")],
    ["claude-code", join(workingDirectory, ".mcp.json")],
    ["cursor", join(workingDirectory, ".cursor", "mcp.json")],
    ["vscode", join(workingDirectory, ".vscode", "mcp.json")],
    ["claude-code", join(home, ".claude.json")],
    ["cursor", join(home, ".cursor", "mcp.json")],
    ["copilot", join(variables["COPILOT_HOME"] ?? join(home, ".copilot"), "mcp-config.json")],
    ["vscode", join(settings, "Code", "User", "mcp.json")],
    ["vscode", join(settings, "Code - Insiders", "User", "mcp.json")],
    ["claude-desktop", join(settings, "Claude", "claude_desktop_config.json")],
  ];
  const seen = new Set<string>();
  return places
    .map(([client, path]) => ({ client, path }))
    .filter(({ path }) => !seen.has(path) && seen.add(path));
}

/** Where applications of this operating system keep their settings. */
function settingsDirectory({ home, platform, variables }: Environment): string {
  if (platform === "darwin") return posix.join(home, "Library", "Application Support");
  if (platform === "win32") return variables["APPDATA"] ?? win32.join(home, "AppData", "Roaming");
  return variables["XDG_CONFIG_HOME"] ?? posix.join(home, ".config");
}
