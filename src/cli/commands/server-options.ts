import type { Command } from "commander";
import { looksLikeCredential, parseBytes } from "../../app/command-line.ts";
import { usage } from "../exit.ts";
import type { OAuthOptions } from "./oauth-options.ts";
import { addOAuthOptions, authFrom } from "./oauth-options.ts";
import { collect, durationOf, oneOf, wholeOf } from "../session.ts";

/** Shared by `servers add` and `servers change`. */
export interface ServerOptions extends OAuthOptions {
  readonly upstream?: string;
  readonly env?: readonly string[];
  readonly header?: readonly string[];
  readonly cwd?: string;
  readonly era?: string;
  readonly callTimeout?: string;
  readonly concurrency?: string;
  readonly resultMax?: string;
  readonly class?: readonly string[];
  readonly disabled?: boolean;
}

export function addServerOptions(command: Command): Command {
  return addOAuthOptions(command)
    .option("--upstream <url>", "a server reached over Streamable HTTP")
    .option("--env <name=value>", "a variable of the program's own environment; repeatable", collect)
    .option("--header <name=value>", "a header of every request to --upstream; repeatable", collect)
    .option("--cwd <dir>", "folder the program starts in (the node's data directory)")
    .option("--era <era>", "modern or legacy (found out)")
    .option("--call-timeout <duration>", "how long one call may take")
    .option("--concurrency <n>", "calls in flight at once")
    .option("--result-max <bytes>", "larger results are withheld, e.g. 8MiB")
    .option(
      "--class <tool=class>",
      "read[:<probe arguments>[:<interval>]], effect, idempotent:<key argument> or verifiable:<tool>[:<argument>,…]; repeatable",
      collect,
    )
    .option("--disabled", "do not connect to it yet");
}

type SecretText = { readonly literal: string } | { readonly vault: string };

/** Null = nothing was said about it. `warn` hears of what should not stand where it stands. */
export function transportFrom(
  command: readonly string[],
  options: ServerOptions,
  warn: (text: string) => void,
): unknown {
  const { upstream, env = [], header = [], cwd } = options;
  const [program, ...args] = command;
  const auth = authFrom(options);
  if (auth !== null && upstream === undefined) throw usage("--auth belongs to --upstream.");
  if (upstream !== undefined) {
    if (program !== undefined) throw usage("A server has either --upstream or a program, not both.");
    if (env.length > 0 || cwd !== undefined)
      throw usage("--env and --cwd belong to a program, not to --upstream.");
    return {
      kind: "http",
      url: upstream,
      headers: texts("--header", header, warn),
      ...(auth === null ? {} : { auth }),
    };
  }
  if (header.length > 0) throw usage("--header belongs to --upstream.");
  if (program !== undefined)
    return { kind: "stdio", command: program, args, env: texts("--env", env, warn), cwd: cwd ?? null };
  if (env.length > 0 || cwd !== undefined)
    throw usage("--env and --cwd belong to a program: say it again after --.");
  return null;
}

export function settingsFrom(options: ServerOptions): Readonly<Record<string, unknown>> {
  const { era, callTimeout, concurrency, resultMax, disabled } = options;
  return {
    ...(era === undefined ? {} : { era: oneOf("--era", era, ["modern", "legacy"]) }),
    ...(callTimeout === undefined ? {} : { callTimeoutMs: durationOf("--call-timeout", callTimeout) }),
    ...(concurrency === undefined
      ? {}
      : { concurrencyMax: wholeOf("--concurrency", concurrency, 1, 10_000) }),
    ...(resultMax === undefined ? {} : { resultBytesMax: bytesOf(resultMax) }),
    ...(options.class === undefined
      ? {}
      : { toolClasses: Object.fromEntries(options.class.map(declaredClass)) }),
    ...(disabled === true ? { enabled: false } : {}),
  };
}

/**
 * `read`, `read:{"path":"/"}`, `read:{"path":"/"}:1m`, `effect`, `idempotent:<key argument>`, `verifiable:<tool>`,
 * `verifiable:<tool>:<argument>,<argument>`.
 */
export function classFrom(option: string, text: string): Readonly<Record<string, unknown>> {
  const colon = text.indexOf(":");
  const kind = oneOf(option, colon === -1 ? text : text.slice(0, colon), [
    "read",
    "effect",
    "idempotent",
    "verifiable",
  ]);
  const rest = colon === -1 ? "" : text.slice(colon + 1);
  switch (kind) {
    case "read":
      return colon === -1 ? { kind } : { kind, probe: probeFrom(option, rest) };
    case "effect":
      if (rest !== "") throw usage(`${option}: ${kind} takes nothing after the colon.`);
      return { kind };
    case "idempotent":
      if (rest === "")
        throw usage(`${option}: write idempotent:<argument>, the argument its key travels in.`);
      return { kind, keyArgument: rest };
    case "verifiable":
      return { kind, ...verifyFrom(option, rest) };
  }
}

function probeFrom(option: string, text: string): Readonly<Record<string, unknown>> {
  const [, json = "", every] = /^(\{.*\})(?::([^:{}]*))?$/s.exec(text) ?? [];
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch {
    throw usage(
      `${option}: write read:{"argument":"value"}, the arguments that the node calls the tool with to see whether it works, or read:{…}:1m for how often.`,
    );
  }
  return { arguments: given, ...(every === undefined ? {} : { everyMs: durationOf(option, every) }) };
}

/** Names of tools have no colon (MCP 2026-07-28, server/tools), those of arguments seldom a comma. */
function verifyFrom(option: string, text: string): Readonly<Record<string, unknown>> {
  const colon = text.indexOf(":");
  const verifyTool = colon === -1 ? text : text.slice(0, colon);
  const names = colon === -1 ? [] : text.slice(colon + 1).split(",");
  if (verifyTool === "" || names.includes(""))
    throw usage(
      `${option}: write verifiable:<tool>, the tool that answers whether it happened, or verifiable:<tool>:<argument>,<argument>.`,
    );
  return { verifyTool, ...(names.length === 0 ? {} : { verifyArguments: names }) };
}

function declaredClass(text: string): readonly [string, Readonly<Record<string, unknown>>] {
  const [tool, said] = pair("--class", text);
  return [tool, classFrom("--class", said)];
}

function texts(
  option: string,
  pairs: readonly string[],
  warn: (text: string) => void,
): Readonly<Record<string, SecretText>> {
  return Object.fromEntries(
    pairs.map((text) => {
      const [name, value] = pair(option, text);
      const vault = /^\$\{vault:([^}]*)\}$/.exec(value)?.[1];
      if (vault !== undefined) return [name, { vault }];
      if (looksLikeCredential(name, value)) {
        warn(
          `${option} ${name} looks like a credential. Put it into the vault and write \${vault:name}: other processes can read arguments.`,
        );
      }
      return [name, { literal: value }];
    }),
  );
}

function pair(option: string, text: string): readonly [string, string] {
  const equals = text.indexOf("=");
  if (equals <= 0) throw usage(`${option} is not of the form name=value.`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function bytesOf(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === null)
    throw usage(`--result-max is "${text}"; write a number and a unit, like 512KiB or 8MiB.`);
  return bytes;
}
