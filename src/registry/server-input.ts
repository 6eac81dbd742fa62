import { deepFreeze, frozenCopy, jsonProblem } from "./json-bounds.ts";
import { reservedServerName, serverNameMax, serverNamePattern } from "./exposed-name.ts";
import type { InputProblem } from "./input-problem.ts";
import { oauthProblems } from "./oauth-settings.ts";
import { toolsPerServerMax } from "./parse-definition.ts";
import type { Era, ToolClass, Transport } from "./records.ts";
import type { SecretText } from "./secret-text.ts";
import { probeProblem } from "./tool-class.ts";

/** What an administrator says about a server. What is left out gets `serverDefaults`. */
export interface ServerInput {
  readonly name: string;
  readonly transport: Transport;
  readonly enabled?: boolean;
  /** null or absent = find out. */
  readonly era?: Era | null;
  readonly callTimeoutMs?: number;
  readonly concurrencyMax?: number;
  readonly resultBytesMax?: number;
  /** Classes declared with the server, by upstream name; they hold from the moment such a tool is seen. */
  readonly toolClasses?: Readonly<Record<string, ToolClass>>;
}

/** A `ServerInput` with nothing left out. */
export type ServerSettings = Required<ServerInput>;

/**
 * One minute is what most MCP clients wait for; 16 at once is what one small process bears; the largest legitimate result seen
 * in the field had 3.1 MB.
 */
export const serverDefaults = {
  callTimeoutMs: 60_000,
  concurrencyMax: 16,
  resultBytesMax: 8 * 1024 * 1024,
} as const;

/** Bounds of the numbers of a server, inclusive. */
export const serverBounds = {
  callTimeoutMs: { min: 100, max: 24 * 3_600_000 },
  concurrencyMax: { min: 1, max: 10_000 },
  resultBytesMax: { min: 1_024, max: 256 * 1024 * 1024 },
} as const;

const argumentsMax = 256;
const variablesMax = 256;
const textMax = 32_768;

/** Everything that is wrong with a server's settings; empty when they are acceptable. */
export function serverProblems(input: ServerInput): readonly InputProblem[] {
  const bad = jsonProblem(input, { depthMax: 24, valuesMax: 20_000 });
  if (bad !== null) return [{ path: [], message: bad }];
  return [
    ...nameProblems(input.name),
    ...(input.transport.kind === "stdio" ? stdioProblems(input.transport) : httpProblems(input.transport)),
    ...numberProblems(input),
    ...classProblems(input.toolClasses ?? {}),
  ];
}

/** Fills in the defaults and freezes. The input must have no problems. */
export function settingsOf(input: ServerInput): ServerSettings {
  const copy = frozenCopy(input);
  return deepFreeze({
    name: copy.name,
    transport: copy.transport,
    enabled: copy.enabled ?? true,
    era: copy.era ?? null,
    callTimeoutMs: copy.callTimeoutMs ?? serverDefaults.callTimeoutMs,
    concurrencyMax: copy.concurrencyMax ?? serverDefaults.concurrencyMax,
    resultBytesMax: copy.resultBytesMax ?? serverDefaults.resultBytesMax,
    toolClasses: copy.toolClasses ?? {},
  });
}

function nameProblems(name: string): readonly InputProblem[] {
  const problem = (message: string) => [{ path: ["name"], message }];
  if (name.length > serverNameMax) {
    return problem(`the name has ${name.length} characters; ${serverNameMax} are allowed`);
  }
  if (!serverNamePattern.test(name)) {
    return problem("a server's name is made of a-z and 0-9, with single hyphens between them");
  }
  return name === reservedServerName ? problem(`"${name}" is reserved for Signalbox's own tools`) : [];
}

function stdioProblems(transport: Extract<Transport, { kind: "stdio" }>): readonly InputProblem[] {
  const problems: InputProblem[] = [];
  const add = (path: string[], message: string): void => {
    problems.push({ path: ["transport", ...path], message });
  };
  const plain = (path: string[], value: string): void => {
    if (value.includes("\0")) add(path, "contains a NUL character");
    if (value.length > textMax) add(path, `has ${value.length} characters; ${textMax} are allowed`);
  };
  if (transport.command.trim() === "") add(["command"], "the command is empty");
  plain(["command"], transport.command);
  if (transport.args.length > argumentsMax) {
    add(["args"], `${transport.args.length} arguments; ${argumentsMax} are allowed`);
  }
  for (const [index, argument] of transport.args.entries()) plain(["args", String(index)], argument);
  if (transport.cwd !== null) plain(["cwd"], transport.cwd);
  const variables = Object.entries(transport.env);
  if (variables.length > variablesMax)
    add(["env"], `${variables.length} variables; ${variablesMax} are allowed`);
  for (const [name, value] of variables) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) add(["env", name], "is not a variable's name");
    if ("literal" in value) plain(["env", name], value.literal);
    else problems.push(...vaultProblems(["transport", "env", name], value));
  }
  return problems;
}

/** Headers that the protocol, the connection or the trust boundary owns. */
const ownedHeaders =
  /^(?:host|connection|content-(?:length|type)|transfer-encoding|accept|te|trailer|upgrade|keep-alive|mcp-.*|proxy-.*)$/i;

function httpProblems(transport: Extract<Transport, { kind: "http" }>): readonly InputProblem[] {
  const problems: InputProblem[] = [];
  const add = (path: string[], message: string): void => {
    problems.push({ path: ["transport", ...path], message });
  };
  const url = URL.canParse(transport.url) ? new URL(transport.url) : null;
  if (url === null) add(["url"], "is not a URL");
  else {
    if (url.protocol !== "http:" && url.protocol !== "https:") add(["url"], "must be http or https");
    if (url.username !== "" || url.password !== "") {
      add(["url"], "carries a user name or password; use a header with a ${vault:…} reference");
    }
    if (url.hash !== "") add(["url"], "carries a fragment, which is never sent");
    if (transport.url.length > 2_048) add(["url"], "is longer than 2048 characters");
  }
  const headers = Object.entries(transport.headers);
  if (headers.length > 64) add(["headers"], `${headers.length} headers; 64 are allowed`);
  const seen = new Set<string>();
  for (const [name, value] of headers) {
    const path = ["headers", name];
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(name)) add(path, "is not a header's name");
    else if (ownedHeaders.test(name)) add(path, "is set by Signalbox itself");
    if (seen.has(name.toLowerCase())) add(path, "stands twice");
    seen.add(name.toLowerCase());
    if ("literal" in value) {
      if (!/^[\t\u0020-\u007e\u0080-\u00ff]{0,8192}$/.test(value.literal)) {
        add(path, "has a value that cannot stand in a header");
      }
    } else problems.push(...vaultProblems(["transport", ...path], value));
  }
  const { auth = null } = transport;
  if (auth === null) return problems;
  problems.push(...oauthProblems(auth, Object.keys(transport.headers)));
  for (const field of ["clientSecret", "privateKey"] as const) {
    const value = auth[field];
    if (value !== undefined && "vault" in value)
      problems.push(...vaultProblems(["transport", "auth", field], value));
  }
  return problems;
}

/** Names in the vault: what can also stand in a file name, a URL path and `${vault:…}`. */
export const vaultNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

const vaultProblems = (path: readonly string[], value: SecretText & { vault: string }): InputProblem[] =>
  vaultNamePattern.test(value.vault)
    ? []
    : [{ path, message: "a vault name has 1-128 of A-Z a-z 0-9 . _ - and begins with a letter or digit" }];

function numberProblems(input: ServerInput): readonly InputProblem[] {
  return (Object.keys(serverBounds) as (keyof typeof serverBounds)[]).flatMap((field) => {
    const value = input[field];
    const { min, max } = serverBounds[field];
    if (value === undefined || (Number.isSafeInteger(value) && value >= min && value <= max)) return [];
    return [{ path: [field], message: `${value} is not a whole number from ${min} to ${max}` }];
  });
}

function classProblems(classes: Readonly<Record<string, ToolClass>>): readonly InputProblem[] {
  const names = Object.keys(classes);
  if (names.length > toolsPerServerMax) {
    return [{ path: ["toolClasses"], message: `${names.length} tools; ${toolsPerServerMax} are allowed` }];
  }
  return Object.entries(classes).flatMap(([tool, toolClass]) => {
    const message = declaredProblem(tool, toolClass);
    return message === null ? [] : [{ path: ["toolClasses", tool], message }];
  });
}

/** What can be said of a class before its tool is seen. */
function declaredProblem(tool: string, toolClass: ToolClass): string | null {
  switch (toolClass.kind) {
    case "read":
      return toolClass.probe === undefined ? null : probeProblem(toolClass.probe);
    case "verifiable":
      return toolClass.verifyTool === tool ? "a tool cannot verify itself" : null;
    case "idempotent":
    case "effect":
      return null;
  }
}
