import type { SecretText, ServerInput, Transport } from "../../registry/index.ts";
import {
  isOwnEndpoint,
  reservedServerName,
  serverNameMax,
  serverNamePattern,
  serverProblems,
} from "../../registry/index.ts";
import type { Environment } from "../environment.ts";
import { looksLikeCredential, looksLikeCredentialValue } from "./credentials.ts";
import type { ForeignServers } from "./parse.ts";
import { isObject, quoted } from "./parse.ts";
import type { Expansion } from "./variables.ts";
import { expand } from "./variables.ts";

/** What came out of one or more client files. Secret values stand in `secrets` only, never in `servers` or `notes`. */
export interface Imported {
  readonly servers: readonly ServerInput[];
  /** To be put into the vault under these names before the servers are added. */
  readonly secrets: readonly { readonly name: string; readonly value: string }[];
  /** Values the client asks the person for, to be put into the vault likewise. `template`: `${input}` stands for the answer. */
  readonly needed: readonly NeededSecret[];
  /** Sentences for a person: what moved, what was left out and why. */
  readonly notes: readonly string[];
}

interface NeededSecret {
  readonly name: string;
  readonly input: string;
  readonly description: string;
  readonly template: string;
}

/** What one import has taken so far: names must stay apart over all files. */
interface Taken {
  readonly servers: Map<string, ServerInput>;
  readonly secrets: Map<string, string>;
  readonly needed: Map<string, NeededSecret>;
  readonly notes: string[];
}

export const nothingTaken = (): Taken => ({
  servers: new Map(),
  secrets: new Map(),
  needed: new Map(),
  notes: [],
});

export const importedOf = (taken: Taken): Imported => ({
  servers: [...taken.servers.values()],
  secrets: [...taken.secrets].map(([name, value]) => ({ name, value })),
  needed: [...taken.needed.values()],
  notes: taken.notes,
});

/**
 * Adds a client's servers to what is taken. Whatever cannot be used is left out with a sentence that says why: also the entry with
 * which the client reaches the node at `ownUrl` itself.
 */
export function takeServers(
  taken: Taken,
  foreign: ForeignServers,
  file: string,
  environment: Environment,
  ownUrl: string | null = null,
): void {
  taken.notes.push(...foreign.notes.map((note) => `${file}: ${note}`));
  for (const [foreignName, said] of foreign.servers) {
    const note = (sentence: string): void => {
      taken.notes.push(`${file}: ${sentence}`);
    };
    const name = ownName(foreignName);
    const one = new OneServer(name ?? foreignName, foreign, environment);
    const transport = one.transport(said);
    // Before its name is looked at: mostly that is ours, which no server may have.
    if (transport !== null && ownUrl !== null && isOwnEndpoint(transport, ownUrl)) {
      note(`Skipped ${quoted(foreignName)}: it is this node.`);
      continue;
    }
    if (name === null) {
      note(`Skipped ${quoted(foreignName)}: no server name can be made of it.`);
      continue;
    }
    if (name === reservedServerName) {
      note(
        `Skipped ${quoted(foreignName)}: that is what nodes call themselves; under another name it can be added.`,
      );
      continue;
    }
    if (taken.servers.has(name)) {
      note(`Skipped ${quoted(foreignName)}: there is a server "${name}" already.`);
      continue;
    }
    if (transport === null) {
      note(`Skipped ${quoted(foreignName)}: ${one.reason}`);
      continue;
    }
    const server: ServerInput = { name, transport, enabled: said["disabled"] !== true };
    const problem = serverProblems(server)[0];
    if (problem !== undefined) {
      note(`Skipped ${quoted(foreignName)}: ${problem.path.join(".")}: ${problem.message}.`);
      continue;
    }
    taken.servers.set(name, server);
    for (const [secret, value] of one.secrets) taken.secrets.set(secret, value);
    for (const needed of one.needed) taken.needed.set(needed.name, needed);
    if (name !== foreignName) note(`${quoted(foreignName)} is called "${name}" here.`);
    for (const sentence of one.notes) note(sentence);
  }
}

/** Lower case, hyphens for anything else, cut; null when nothing is left. */
function ownName(foreign: string): string | null {
  const name = foreign
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, serverNameMax + 1)
    .replace(/^-+/, "")
    .slice(0, serverNameMax)
    .replace(/-+$/, "");
  return serverNamePattern.test(name) ? name : null;
}

/** Reads one server. `reason` is set when `transport` answers null. */
class OneServer {
  reason = "";
  readonly secrets = new Map<string, string>();
  readonly needed: NeededSecret[] = [];
  readonly notes: string[] = [];
  private readonly name: string;
  private readonly foreign: ForeignServers;
  private readonly environment: Environment;

  constructor(name: string, foreign: ForeignServers, environment: Environment) {
    this.name = name;
    this.foreign = foreign;
    this.environment = environment;
  }

  transport(said: Readonly<Record<string, unknown>>): Transport | null {
    const type = said["type"] ?? said["transport"];
    const url = said["url"] ?? said["serverUrl"] ?? said["httpUrl"];
    if (typeof said["command"] === "string" && (type === undefined || type === "stdio" || type === "local")) {
      return this.stdio(said["command"], said);
    }
    if (typeof url === "string") return this.http(url, said);
    return this.no("it has neither a command nor a url.");
  }

  private stdio(command: string, said: Readonly<Record<string, unknown>>): Transport | null {
    const args = said["args"] ?? [];
    if (!Array.isArray(args) || !args.every((argument) => typeof argument === "string")) {
      return this.no("its args are not a list of texts.");
    }
    const program = this.plain("command", command);
    const plainArgs = args.map((argument, index) => this.plain(`argument ${index + 1}`, argument));
    const cwd = typeof said["cwd"] === "string" ? this.plain("cwd", said["cwd"]) : null;
    if (this.reason !== "" || program === null) return null;
    for (const [index, argument] of plainArgs.entries()) {
      if (argument !== null && isSecretArgument(plainArgs[index - 1] ?? null, argument)) {
        this.notes.push(
          `Argument ${index + 1} of "${this.name}" looks like a credential and was left where it is, readable in the process list. Pass it as an environment variable if the server can read one.`,
        );
      }
    }
    if (typeof said["envFile"] === "string") {
      this.notes.push(
        `"${this.name}" reads an env file, which was not imported; set its variables under env.`,
      );
    }
    const isUnpinned =
      /(?:^|[\\/])(?:npx|bunx|uvx|pnpx)(?:\.cmd|\.exe)?$/i.test(program) && !plainArgs.some(isPinned);
    if (isUnpinned) {
      this.notes.push(
        `"${this.name}" takes whatever version of its package is newest at each start; name an exact version.`,
      );
    }
    const env = this.texts("env", said["env"]);
    if (env === null) return null;
    return {
      kind: "stdio",
      command: program,
      args: plainArgs.filter((argument) => argument !== null),
      env,
      cwd,
    };
  }

  private http(said: string, server: Readonly<Record<string, unknown>>): Transport | null {
    const url = this.plain("url", said);
    const headers = this.texts("headers", server["headers"]);
    if (url === null || headers === null) return null;
    if (URL.canParse(url)) {
      for (const [key, value] of new URL(url).searchParams) {
        if (looksLikeCredential(key, value)) {
          this.notes.push(
            `The address of "${this.name}" carries what looks like a credential ("${key.slice(0, 40)}") and was left as it is. Use a header if the server reads one.`,
          );
        }
      }
    }
    return { kind: "http", url, headers };
  }

  /** A text that cannot hold a reference of ours, so all of its variables must be known now. */
  private plain(what: string, said: string): string | null {
    const expansion = this.expand(said);
    if (expansion.missing.length === 0) return expansion.text;
    return this.no(
      `its ${what} needs ${expansion.missing.map((name) => `\${${name}}`).join(", ")}, which has no value here.`,
    );
  }

  private texts(what: "env" | "headers", said: unknown): Record<string, SecretText> | null {
    if (said === undefined || said === null) return {};
    if (!isObject(said)) return this.no(`its ${what} are not an object.`);
    const out: [string, SecretText][] = [];
    for (const [key, value] of Object.entries(said)) {
      if (value === null || value === undefined) continue;
      // Numbers and truth values are what people mean by their texts; groups and lists are not.
      if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
        return this.no(`its ${what} hold something that is not text.`);
      }
      const text = this.secretText(what, key, String(value));
      if (text !== null) out.push([key, text]);
    }
    return Object.fromEntries(out);
  }

  private secretText(what: "env" | "headers", key: string, said: string): SecretText | null {
    const shownKey = quoted(key);
    const input = /\$\{input:([^}]+)\}/.exec(said);
    if (input !== null) return this.asked(key, said, input[1] ?? "");
    const expansion = this.expand(said);
    if (expansion.missing.length > 0) {
      const names = expansion.missing.map((name) => `\${${name}}`).join(", ");
      this.notes.push(`Left out ${what} ${shownKey} of "${this.name}": ${names} has no value here.`);
      return null;
    }
    if (!looksLikeCredential(key, expansion.text)) return { literal: expansion.text };
    const vault = this.vaultName(key);
    this.secrets.set(vault, expansion.text);
    this.notes.push(
      `Keeps ${what} ${shownKey} of "${this.name}" in the vault as "${vault}"${expansion.isLiteral ? "; delete it from the file it came from" : ""}.`,
    );
    return { vault };
  }

  private asked(key: string, said: string, id: string): SecretText {
    const input = this.foreign.inputs.get(id);
    const vault = this.vaultName(key);
    const template = this.expand(said.replaceAll(`\${input:${id}}`, "\0")).text.replaceAll("\0", "${input}");
    this.needed.push({ name: vault, input: id, description: input?.description ?? id, template });
    this.notes.push(`"${this.name}" asks for ${quoted(id)}: put it into the vault as "${vault}".`);
    return { vault };
  }

  private vaultName(key: string): string {
    const base = `${this.name}.${key.replace(/[^A-Za-z0-9._-]/g, "_")}`.slice(0, 120);
    let name = base;
    for (let n = 2; this.secrets.has(name) || this.needed.some((other) => other.name === name); n++) {
      name = `${base}-${n}`;
    }
    return name;
  }

  private expand(said: string): Expansion {
    return expand(said, this.environment);
  }

  private no(reason: string): null {
    if (this.reason === "") this.reason = reason;
    return null;
  }
}

/** `name@1.2.3` or `name==1.2.3`; a tag like `latest` pins nothing. */
const isPinned = (argument: string | null): boolean =>
  argument !== null && /(?:.@|==)v?\d+(?:\.\d+){1,3}(?:[-+.][0-9A-Za-z.-]+)?$/.test(argument);

function isSecretArgument(before: string | null, argument: string): boolean {
  const [flag, ...value] = argument.split("=");
  if (argument.startsWith("-") && value.length > 0) {
    return looksLikeCredential((flag ?? "").replace(/^-+/, ""), value.join("="));
  }
  if (argument.startsWith("-")) return false;
  const isNamed = before !== null && before.startsWith("--") && !before.includes("=");
  return isNamed
    ? looksLikeCredential(before.replace(/^-+/, ""), argument)
    : looksLikeCredentialValue(argument);
}
