import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import type { Node, Pair } from "yaml";

/** One thing wrong with a configuration. `path` is dotted from the top; `line` and `column` count from 1. */
export interface ConfigProblem {
  readonly path: string;
  readonly line: number | null; // null = nothing in the file to point at
  readonly column: number | null;
  readonly message: string;
}

interface Place {
  readonly line: number;
  readonly column: number;
}

/** The value of a YAML text, with the place of every key and value by JSON pointer. */
export interface YamlText {
  readonly value: unknown;
  readonly keys: ReadonlyMap<string, Place>;
  readonly values: ReadonlyMap<string, Place>;
  readonly problems: readonly ConfigProblem[];
}

const require = createRequire(import.meta.url);
const parser = () => require("yaml") as typeof Yaml;

/** A thousand servers with twenty settings each are 600 KB. */
const configBytesMax = 1_048_576;
/** The deepest setting stands at depth 5. */
const depthMax = 16;

/**
 * Reads YAML 1.2 (and so JSON). Anchors, aliases, tags and merge keys are refused: every setting stands where it is read, and
 * no text expands into more than it is. Never throws.
 */
export function readYaml(text: string): YamlText {
  const keys = new Map<string, Place>();
  const values = new Map<string, Place>();
  const problems: ConfigProblem[] = [];
  const read: YamlText = { value: null, keys, values, problems };
  const refuse = (message: string, place: Place | null, path = ""): null => {
    problems.push({ path, message, line: place?.line ?? null, column: place?.column ?? null });
    return null;
  };
  const bytes = Buffer.byteLength(text);
  if (bytes > configBytesMax) {
    refuse(`the file is ${bytes} bytes; ${configBytesMax} are allowed`, null);
    return read;
  }
  const tooDeep = bracketsDeeperThan(text);
  if (tooDeep !== null) {
    refuse(`nested deeper than ${depthMax}`, tooDeep);
    return read;
  }
  // A node without a file has no use for the parser, which is a megabyte of memory.
  if (text.trim() === "") return read;
  const { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } = parser();
  const counter = new LineCounter();
  const at = (offset: number): Place => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };

  const build = (node: Node | null, pointer: string, path: string, depth: number): unknown => {
    if (node === null) return null;
    const place = at(node.range?.[0] ?? 0);
    values.set(pointer, place);
    if (depth > depthMax) return refuse(`nested deeper than ${depthMax}`, place, path);
    if (isAlias(node)) return refuse("aliases are not accepted; write the value out", place, path);
    if (isScalar(node)) {
      return typeof node.value === "bigint" ? refuse("the number is too large", place, path) : node.value;
    }
    if (isSeq(node)) {
      return node.items.map((item, index) =>
        build(item as Node | null, `${pointer}/${index}`, `${path}[${index}]`, depth + 1),
      );
    }
    if (!isMap(node)) return refuse("cannot be read", place, path);
    const entries: [string, unknown][] = [];
    for (const { key, value } of node.items as Pair<Node, Node | null>[]) {
      const keyPlace = at(key.range?.[0] ?? 0);
      if (!isScalar(key) || typeof key.value !== "string") {
        refuse("a key must be text; put it in quotes", keyPlace, path);
        continue;
      }
      const name = key.value;
      const childPath = path === "" ? name : `${path}.${name}`;
      if (name === "__proto__") {
        refuse('the key "__proto__" is not accepted', keyPlace, childPath);
        continue;
      }
      const child = `${pointer}/${escapePointer(name)}`;
      if (keys.has(child)) {
        refuse("stands twice", keyPlace, childPath);
        continue;
      }
      keys.set(child, keyPlace);
      entries.push([name, build(value, child, childPath, depth + 1)]);
    }
    return Object.fromEntries(entries);
  };

  try {
    const document = parseDocument(text, {
      lineCounter: counter,
      prettyErrors: false,
      uniqueKeys: false, // theirs compares all with all; `build` asks a Map
      merge: false,
      schema: "core",
      version: "1.2",
      strict: true,
    });
    for (const error of [...document.errors, ...document.warnings].slice(0, 100)) {
      refuse(sentence(error.message), at(error.pos[0]));
    }
    if (problems.length > 0) return read;
    return { ...read, value: build(document.contents, "", "", 0) };
  } catch (thrown) {
    // The parser recurses, so nesting in block form can exhaust the stack.
    refuse(thrown instanceof RangeError ? `nested deeper than ${depthMax}` : "is not YAML", null);
    return read;
  }
}

export const escapePointer = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");

export const keysOfPointer = (pointer: string): string[] =>
  pointer
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));

/** A cheap upper bound before the recursive parser sees the text; brackets in strings count, hence the wide margin. */
function bracketsDeeperThan(text: string): Place | null {
  const flowDepthMax = 1_000;
  let depth = 0;
  let line = 1;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 10) line++;
    else if (c === 91 || c === 123) depth++;
    else if (c === 93 || c === 125) depth = Math.max(0, depth - 1);
    if (depth > flowDepthMax) return { line, column: 1 };
  }
  return null;
}

const sentence = (message: string): string => message.split("\n")[0]?.slice(0, 200) ?? "";
