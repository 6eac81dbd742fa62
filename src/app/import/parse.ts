import type { Refusal } from "../../../contract/index.ts";
import type { Result } from "../../base/index.ts";
import { ok, parseStrictJson, refuse } from "../../base/index.ts";

/** A client's list of servers, still in its own words. */
export interface ForeignServers {
  readonly servers: readonly (readonly [string, Readonly<Record<string, unknown>>])[];
  /** VS Code's `inputs`: values it asks the person for. */
  readonly inputs: ReadonlyMap<string, { readonly description: string; readonly isSecret: boolean }>;
  readonly notes: readonly string[];
}

/** The largest in the field are Claude Code's, which keeps its history in the same file. */
export const importBytesMax = 32 * 1024 * 1024;
const serversMax = 1_000;

/**
 * Reads the `mcpServers` form (Claude Desktop, Claude Code, Cursor, Copilot) and VS Code's (`servers` and `inputs`). Comments and
 * trailing commas are borne in both. Claude Code keeps servers of a directory under `projects`; `project` picks one.
 */
export function parseForeign(text: string, project: string | null): Result<ForeignServers> {
  const parsed = parseStrictJson(withoutComments(text.replace(/^\ufeff/, "")), {
    depthMax: 64,
    valuesMax: 2_000_000,
  });
  if (!parsed.ok) return parsed;
  const root = parsed.value;
  if (!isObject(root)) return no("the file does not hold an object");
  const notes: string[] = [];
  const lists = [root["mcpServers"], root["servers"]];
  if (isObject(root["mcp"])) lists.push(root["mcp"]["servers"]);
  if (project !== null && isObject(root["projects"])) {
    const own = root["projects"][project];
    if (isObject(own)) lists.unshift(own["mcpServers"]);
  }
  const servers = new Map<string, Readonly<Record<string, unknown>>>();
  for (const list of lists) {
    if (list === undefined) continue;
    if (!isObject(list)) return no("the servers are not an object");
    for (const [name, said] of Object.entries(list)) {
      if (!isObject(said)) notes.push(`Skipped ${quoted(name)}: it is not an object.`);
      else if (servers.size >= serversMax) return no(`there are more than ${serversMax} servers`);
      else if (!servers.has(name)) servers.set(name, said);
    }
  }
  return ok({ servers: [...servers], inputs: inputsOf(root["inputs"]), notes });
}

function inputsOf(said: unknown): ForeignServers["inputs"] {
  const inputs = new Map<string, { description: string; isSecret: boolean }>();
  if (!Array.isArray(said)) return inputs;
  for (const input of said.slice(0, 1_000) as unknown[]) {
    if (!isObject(input) || typeof input["id"] !== "string") continue;
    const description = typeof input["description"] === "string" ? input["description"] : input["id"];
    inputs.set(input["id"], { description: description.slice(0, 500), isSecret: input["password"] === true });
  }
  return inputs;
}

/** JSON with comments and trailing commas (JSONC) as JSON of the same length, so that places in it stay right. */
export function withoutComments(text: string): string {
  const out: string[] = [];
  let from = 0;
  let comma = -1; // a comma after which nothing but blanks has come
  const blank = (start: number, end: number): void => {
    out.push(text.slice(from, start), text.slice(start, end).replace(/[^\n\r]/g, " "));
    from = end;
  };
  const commas: number[] = [];
  for (let i = 0; i < text.length;) {
    const c = text[i];
    if (c === '"') {
      comma = -1;
      i++;
      while (i < text.length && text[i] !== '"' && text[i] !== "\n") i += text[i] === "\\" ? 2 : 1;
      i++;
    } else if (c === "/" && text[i + 1] === "/") {
      const end = text.indexOf("\n", i);
      blank(i, end === -1 ? text.length : end);
      i = from;
    } else if (c === "/" && text[i + 1] === "*") {
      const end = text.indexOf("*/", i + 2);
      blank(i, end === -1 ? text.length : end + 2);
      i = from;
    } else {
      if (c === ",") comma = i;
      else if ((c === "}" || c === "]") && comma !== -1) {
        commas.push(comma);
        comma = -1;
      } else if (c !== " " && c !== "\t" && c !== "\n" && c !== "\r") comma = -1;
      i++;
    }
  }
  const bare = out.join("") + text.slice(from);
  if (commas.length === 0) return bare;
  let result = "";
  let start = 0;
  for (const at of commas) {
    result += `${bare.slice(start, at)} `;
    start = at + 1;
  }
  return result + bare.slice(start);
}

export const quoted = (name: string): string => JSON.stringify(name.slice(0, 80));

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const no = (detail: string): Result<never> => refuse<Refusal>({ code: "config-invalid", detail });
