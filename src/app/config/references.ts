import type { SecretText } from "../../registry/index.ts";
import { vaultNamePattern } from "../../registry/index.ts";
import { schemaAt } from "./schema.ts";
import { escapePointer } from "./yaml.ts";

/** Environment variables as the caller hands them in; see environment.ts. */
export type Variables = Readonly<Record<string, string | undefined>>;

export interface Resolved {
  readonly value: unknown;
  /** The secret settings by JSON pointer: what stands in `value` there is only good for checking its form. */
  readonly secrets: ReadonlyMap<string, SecretText>;
  /** Where a text came, whole or in part, from the environment. */
  readonly fromEnvironment: ReadonlySet<string>;
  readonly problems: readonly { readonly pointer: string; readonly message: string }[];
}

/**
 * Replaces `${env:NAME}` in every text, and turns `${vault:name}` where a secret may stand into a reference. `$${` is a literal
 * `${`. What a variable contains is never read for references again.
 */
export function resolveReferences(value: unknown, env: Variables): Resolved {
  const secrets = new Map<string, SecretText>();
  const fromEnvironment = new Set<string>();
  const problems: { pointer: string; message: string }[] = [];

  const text = (raw: string, pointer: string, path: readonly string[]): unknown => {
    const schema = schemaAt(path);
    const isSecret = schema?.["x-secret"] === true;
    const vault = /^\$\{vault:([^}]*)\}$/.exec(raw)?.[1];
    if (vault !== undefined && isSecret) {
      if (!vaultNamePattern.test(vault)) {
        problems.push({ pointer, message: `"${vault.slice(0, 60)}" is not a name in the vault` });
      }
      secrets.set(pointer, { vault });
      return "";
    }
    const resolved = raw.replace(
      /\$\$\{|\$\{([^}]*)(\}?)/g,
      (match, inner: string | undefined, end: string) => {
        if (match === "$${") return "${";
        const problem = (message: string): string => {
          problems.push({ pointer, message });
          return "";
        };
        if (end === "" || inner === undefined) return problem("a reference is not closed: ${…}");
        const colon = inner.indexOf(":");
        const name = inner.slice(colon + 1);
        switch (colon === -1 ? "" : inner.slice(0, colon)) {
          case "env": {
            if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return problem(`"${name}" is not a variable's name`);
            const found = Object.hasOwn(env, name) ? env[name] : undefined;
            fromEnvironment.add(pointer);
            return found ?? problem(`the environment variable ${name} is not set`);
          }
          case "vault":
            return problem(
              isSecret
                ? "a vault reference must be the whole value; put the whole value into the vault"
                : "a vault reference cannot stand here, only in env, headers and auth of a server, in env, secret and kubernetes.token of a hook, in env of an agent, and as the secret of a webhook",
            );
          default:
            return problem(
              `\${${inner.slice(0, 60)}} is not a reference; there are \${env:NAME} and \${vault:name}`,
            );
        }
      },
    );
    if (isSecret) secrets.set(pointer, { literal: resolved });
    return fromEnvironment.has(pointer) ? asTyped(resolved, schema?.type) : resolved;
  };

  const walk = (node: unknown, pointer: string, path: readonly string[]): unknown => {
    if (typeof node === "string") return text(node, pointer, path);
    // A section with nothing in it but comments.
    if (node === null && isSection(schemaAt(path)?.default)) return {};
    if (Array.isArray(node)) {
      return node.map((item, i) => walk(item, `${pointer}/${i}`, [...path, String(i)]));
    }
    if (typeof node !== "object" || node === null) return node;
    return Object.fromEntries(
      Object.entries(node).map(([key, child]) => [
        key,
        walk(child, `${pointer}/${escapePointer(key)}`, [...path, key]),
      ]),
    );
  };
  return { value: walk(value, "", []), secrets, fromEnvironment, problems };
}

const isSection = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Variables are texts; a setting that is a number or a truth value reads its own form out of one. */
function asTyped(text: string, type: string | readonly string[] | undefined): unknown {
  if (type === "integer" && /^-?[0-9]{1,15}$/.test(text)) return Number(text);
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}
