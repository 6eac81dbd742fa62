import type { Environment } from "../environment.ts";

export interface Expansion {
  readonly text: string;
  /** What had no value, as it was written between the braces. */
  readonly missing: readonly string[];
  /** True when nothing was replaced. */
  readonly isLiteral: boolean;
}

/**
 * Replaces the variables that clients replace: `${NAME}`, `${NAME:-default}` (Claude Code), `${env:NAME}` (Cursor, VS Code),
 * `${workspaceFolder}`, `${userHome}`, `${pathSeparator}`, `${/}`. What a variable holds is not read again.
 */
export function expand(text: string, environment: Environment): Expansion {
  const missing: string[] = [];
  let isLiteral = true;
  const expanded = text.replace(/\$\{([^${}]+)\}/g, (match, inner: string) => {
    isLiteral = false;
    const value = valueOf(inner, environment);
    if (value !== null) return value;
    missing.push(inner.slice(0, 80));
    return match;
  });
  return { text: expanded, missing, isLiteral };
}

function valueOf(inner: string, environment: Environment): string | null {
  switch (inner) {
    case "workspaceFolder":
    case "cwd":
      return environment.workingDirectory;
    case "userHome":
      return environment.home;
    case "workspaceFolderBasename":
      return environment.workingDirectory.split(/[\\/]/).at(-1) ?? "";
    case "pathSeparator":
    case "/":
      return environment.platform === "win32" ? "\\" : "/";
    default: {
      const [, name, fallback] = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inner) ?? [];
      if (name === undefined) return null;
      const value = Object.hasOwn(environment.variables, name) ? environment.variables[name] : undefined;
      return value ?? fallback ?? null;
    }
  }
}
