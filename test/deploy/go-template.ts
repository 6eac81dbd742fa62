import { createHash } from "node:crypto";
import { stringify } from "yaml";

/**
 * As much of Go's text/template, with Helm's functions, as our own chart uses. There is no template engine of Helm's on npm or
 * Debian, so this is a subset that knows it is one: what it does not know, a value that is not there included, is an error.
 */
export function renderTemplates(files: ReadonlyMap<string, string>, data: Data): ReadonlyMap<string, string> {
  const defines = new Map<string, readonly Node[]>();
  const parsed = new Map([...files].map(([name, text]) => [name, parse(name, text, defines)]));
  const renderer = new Renderer(defines);
  const rendered = new Map<string, string>();
  for (const [name, nodes] of parsed) rendered.set(name, renderer.render(nodes, scopeOf(data)));
  return rendered;
}

export type Data = Readonly<Record<string, unknown>>;

type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly pipe: Pipe }
  | { readonly kind: "set"; readonly name: string; readonly pipe: Pipe }
  | { readonly kind: "if" | "with"; readonly pipe: Pipe; readonly body: Node[]; readonly otherwise: Node[] }
  | { readonly kind: "range"; readonly name: string; readonly pipe: Pipe; readonly body: Node[] };

/** Each command is given what the one before it made, as its last argument. */
type Pipe = readonly (readonly Term[])[];
type Term =
  | { readonly kind: "literal"; readonly value: string | number }
  | { readonly kind: "path"; readonly root: string; readonly keys: readonly string[] }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "pipe"; readonly pipe: Pipe };

interface Scope {
  readonly dot: unknown;
  readonly variables: Map<string, unknown>;
}

const scopeOf = (root: unknown): Scope => ({ dot: root, variables: new Map([["$", root]]) });

function parse(file: string, text: string, defines: Map<string, readonly Node[]>): readonly Node[] {
  const top: Node[] = [];
  /** What is open: where nodes go, and what an `else` opens instead. */
  const open: { nodes: Node[]; otherwise: Node[] | null }[] = [{ nodes: top, otherwise: null }];
  let at = 0;
  let trimsNext = false;
  const put = (node: Node): void => void open.at(-1)?.nodes.push(node);
  for (const found of text.matchAll(/\{\{(-?)\s+?([\s\S]*?)\s*(-?)\}\}/g)) {
    let before = text.slice(at, found.index);
    if (trimsNext) before = before.trimStart();
    if (found[1] === "-") before = before.trimEnd();
    put({ kind: "text", text: before });
    at = found.index + found[0].length;
    trimsNext = found[3] === "-";
    statement(found[2] ?? "");
  }
  put({ kind: "text", text: trimsNext ? text.slice(at).trimStart() : text.slice(at) });
  if (open.length !== 1) throw new Error(`${file}: something is not ended`);
  return top;

  function statement(said: string): void {
    const [word, rest] = split(said);
    const block = (make: (body: Node[], otherwise: Node[]) => Node | null, hasElse: boolean): void => {
      const body: Node[] = [];
      const otherwise: Node[] = [];
      const node = make(body, otherwise);
      if (node !== null) put(node);
      open.push({ nodes: body, otherwise: hasElse ? otherwise : null });
    };
    const assigned = /^(\$[a-z]\w*)\s*:=\s*(.*)$/i.exec(said);
    const ranged = /^(\$[a-z]\w*)\s*:=\s*(.*)$/i.exec(rest);
    if (word === "if" || word === "with")
      block((body, otherwise) => ({ kind: word, pipe: pipeOf(rest), body, otherwise }), true);
    else if (word === "range" && ranged !== null)
      block((body) => ({ kind: "range", name: ranged[1] ?? "", pipe: pipeOf(ranged[2] ?? ""), body }), false);
    else if (word === "define") {
      block((body) => {
        defines.set(JSON.parse(rest) as string, body);
        return null;
      }, false);
    } else if (said === "else") {
      const { otherwise } = open.pop() ?? { otherwise: null };
      if (otherwise === null) throw new Error(`${file}: an else without an if`);
      open.push({ nodes: otherwise, otherwise: null });
    } else if (said === "end") {
      open.pop();
      if (open.length === 0) throw new Error(`${file}: an end too many`);
    } else if (assigned !== null)
      put({ kind: "set", name: assigned[1] ?? "", pipe: pipeOf(assigned[2] ?? "") });
    else if (["range", "block", "template", "else", "break", "continue"].includes(word))
      throw new Error(`${file}: this renderer does not know {{ ${said} }}`);
    else put({ kind: "print", pipe: pipeOf(said) });
  }
}

const split = (said: string): [string, string] => {
  const space = said.search(/\s/);
  return space === -1 ? [said, ""] : [said.slice(0, space), said.slice(space).trim()];
};

function pipeOf(text: string): Pipe {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[()|]|[^\s()|"]+/g) ?? [];
  let at = 0;
  const pipe = (isInner: boolean): Pipe => {
    const commands: Term[][] = [[]];
    for (; at < tokens.length; at++) {
      const token = tokens[at] ?? "";
      if (token === ")") {
        if (!isInner) throw new Error(`a bracket too many: ${text}`);
        return commands;
      }
      if (token === "|") commands.push([]);
      else if (token === "(") {
        at++;
        commands.at(-1)?.push({ kind: "pipe", pipe: pipe(true) });
      } else commands.at(-1)?.push(termOf(token));
    }
    if (isInner) throw new Error(`a bracket is not closed: ${text}`);
    return commands;
  };
  return pipe(false);
}

function termOf(token: string): Term {
  if (token.startsWith('"')) return { kind: "literal", value: JSON.parse(token) as string };
  if (/^\d+$/.test(token)) return { kind: "literal", value: Number(token) };
  const path = /^(\$\w*)?((?:\.\w+)*|\.)$/.exec(token);
  if (path !== null) {
    const keys = (path[2] ?? "").split(".").filter((key) => key !== "");
    return { kind: "path", root: path[1] ?? ".", keys };
  }
  if (/^[a-zA-Z0-9]+$/.test(token)) return { kind: "function", name: token };
  throw new Error(`this renderer does not know ${token}`);
}

class Renderer {
  private readonly defines: ReadonlyMap<string, readonly Node[]>;

  constructor(defines: ReadonlyMap<string, readonly Node[]>) {
    this.defines = defines;
  }

  render(nodes: readonly Node[], scope: Scope): string {
    return nodes.map((node) => this.node(node, scope)).join("");
  }

  private node(node: Node, scope: Scope): string {
    switch (node.kind) {
      case "text":
        return node.text;
      case "print":
        return printed(this.pipe(node.pipe, scope));
      case "set":
        scope.variables.set(node.name, this.pipe(node.pipe, scope));
        return "";
      case "if":
        return this.render(isTrue(this.pipe(node.pipe, scope)) ? node.body : node.otherwise, scope);
      case "with": {
        const dot = this.pipe(node.pipe, scope);
        return isTrue(dot) ? this.render(node.body, { ...scope, dot }) : this.render(node.otherwise, scope);
      }
      case "range": {
        const list = this.pipe(node.pipe, scope);
        if (!Array.isArray(list)) throw new Error(`range over what is no list: ${node.name}`);
        return list
          .map((each) =>
            this.render(node.body, {
              dot: each,
              variables: new Map([...scope.variables, [node.name, each]]),
            }),
          )
          .join("");
      }
    }
  }

  private pipe(pipe: Pipe, scope: Scope): unknown {
    let value: unknown;
    for (const [i, [first, ...rest]] of pipe.entries()) {
      if (first === undefined) throw new Error("a pipe without a command");
      const given = i === 0 ? [] : [value];
      const args = [...rest.map((term) => this.term(term, scope)), ...given];
      if (first.kind === "function") value = this.call(first.name, args);
      else if (args.length > 0) throw new Error("only functions take arguments");
      else value = this.term(first, scope);
    }
    return value;
  }

  private term(term: Term, scope: Scope): unknown {
    switch (term.kind) {
      case "literal":
        return term.value;
      case "pipe":
        return this.pipe(term.pipe, scope);
      case "function":
        return this.call(term.name, []);
      case "path": {
        let value = term.root === "." ? scope.dot : scope.variables.get(term.root);
        for (const key of term.keys) {
          if (typeof value !== "object" || value === null || !Object.hasOwn(value, key))
            throw new Error(`there is no ${[term.root, ...term.keys].join(".")}`);
          value = (value as Data)[key];
        }
        return value;
      }
    }
  }

  private call(name: string, args: readonly unknown[]): unknown {
    const [first, second] = args;
    switch (name) {
      case "include": {
        const nodes = this.defines.get(String(first));
        if (nodes === undefined) throw new Error(`nothing defines ${String(first)}`);
        return this.render(nodes, scopeOf(second));
      }
      case "toYaml":
        return stringify(first, { sortMapEntries: true, lineWidth: 0 }).trimEnd();
      case "nindent": {
        const pad = " ".repeat(Number(first));
        return `\n${String(second).replaceAll(/^/gm, pad)}`;
      }
      case "quote":
        return JSON.stringify(String(first));
      case "default":
        return isTrue(second) ? second : first;
      case "not":
        return !isTrue(first);
      case "join":
        return (second as readonly string[]).join(String(first));
      case "trunc":
        return String(second).slice(0, Number(first));
      case "trimSuffix":
        return String(second).endsWith(String(first))
          ? String(second).slice(0, -String(first).length)
          : second;
      case "sha256sum":
        return createHash("sha256").update(String(first)).digest("hex");
      case "printf": {
        const rest = args.slice(1);
        return String(first).replaceAll("%s", () => String(rest.shift()));
      }
      default:
        throw new Error(`this renderer does not know the function ${name}`);
    }
  }
}

/** As Go sees it: nothing, zero, false and what is empty are not true. */
function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === "" || value === 0 || value === false) return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== "object" || Object.keys(value).length > 0;
}

function printed(value: unknown): string {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return String(value);
  throw new Error(`a value that has no text is printed: ${JSON.stringify(value)}`);
}
