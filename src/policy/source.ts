import type { PolicyJson } from "./cedar.ts";
import { policyJson, splitPolicies } from "./cedar.ts";
import type { CedarProblem } from "./cedar.ts";
import { ok, refuse } from "../base/index.ts";
import type { Result } from "../base/index.ts";
import type { ApprovalTerms } from "./approval-annotation.ts";
import { readAnnotations } from "./annotations.ts";
import { everyExpression, view } from "./expression.ts";
import type { PolicyProblem } from "./problem.ts";

export interface PolicyFile {
  /** As it should be shown: a path, or where in the store it came from. */
  readonly path: string;
  readonly text: string;
}

/** One policy as written. Nothing here depends on servers or tools. */
export interface ParsedPolicy {
  readonly id: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly json: PolicyJson;
  /** Only on forbids; null = a plain forbid, or a permit. */
  readonly approval: ApprovalTerms | null;
  readonly description: string | null;
  readonly obligations: readonly (readonly [name: string, value: string])[];
}

/** Ten thousand agents share policies by role; a set beyond this is generated and wants another shape. */
const policiesMax = 10_000;
/** 10,000 policies of a readable length. */
const textBytesMax = 8 * 1024 * 1024;
/** Cedar's parser recurses on the wasm stack; deeper text is refused here instead of overflowing there. */
const nestingMax = 64;
/** Each operator may nest one deeper (`a && b && …` does), and a trap in the module costs a new instance of it. */
const operatorsMax = 400;

/** All problems of all files at once, or the policies in the order of the files. `obligationNames` null = any annotation. */
export function parsePolicyFiles(
  files: readonly PolicyFile[],
  obligationNames: readonly string[] | null,
): Result<readonly ParsedPolicy[], readonly PolicyProblem[]> {
  const bytes = files.reduce((sum, file) => sum + Buffer.byteLength(file.text), 0);
  if (bytes > textBytesMax)
    return refuse([whole(`the policies have ${bytes} bytes; at most ${textBytesMax} are read`)]);
  const problems: PolicyProblem[] = [];
  const policies: ParsedPolicy[] = [];
  const takenIds = new Map<string, ParsedPolicy>();
  for (const file of files) {
    for (const policy of parseFile(file, obligationNames, problems)) {
      const taken = takenIds.get(policy.id);
      if (taken === undefined) takenIds.set(policy.id, policy);
      else problems.push(at(policy, `another policy (${taken.file}:${taken.line}) has the same @id`, null));
      policies.push(policy);
    }
  }
  if (policies.length > policiesMax) {
    problems.push(whole(`there are ${policies.length} policies; at most ${policiesMax} are read`));
  }
  return problems.length > 0 ? refuse(problems) : ok(policies);
}

/** A problem that points at a policy. */
export function at(
  policy: Pick<ParsedPolicy, "id" | "file" | "line" | "column">,
  message: string,
  hint: string | null,
  severity: PolicyProblem["severity"] = "error",
): PolicyProblem {
  const { file, line, column, id } = policy;
  return { severity, file, line, column, policy: id, tool: null, message, hint };
}

const whole = (message: string): PolicyProblem => ({
  severity: "error",
  file: null,
  line: null,
  column: null,
  policy: null,
  tool: null,
  message,
  hint: null,
});

function parseFile(
  file: PolicyFile,
  obligationNames: readonly string[] | null,
  problems: PolicyProblem[],
): readonly ParsedPolicy[] {
  const masked = maskComments(file.text);
  const tooMuch = beyondBounds(masked);
  if (tooMuch !== null) {
    problems.push(
      inFile(file, tooMuch.at, tooMuch.message, "write several policies, or use a set: [a, b].contains(…)"),
    );
    return [];
  }
  const texts = splitPolicies(file.text);
  if (!texts.ok) {
    problems.push(...texts.refusal.map((problem) => located(file, problem)));
    return [];
  }
  const policies: ParsedPolicy[] = [];
  const idsByPlace = new Set<string>();
  const lines = linesOf(file.text);
  let from = 0;
  for (const text of texts.value) {
    // A policy's text is an exact slice of the file. Looked for with comments masked, so that a commented-out twin isn't it.
    const start = Math.max(from, masked.indexOf(maskComments(text), from));
    from = start + text.length;
    const place = lines(start);
    const parsed = policyJson(text);
    if (!parsed.ok) {
      problems.push(...parsed.refusal.map((problem) => inFile(file, start, problem.message, problem.help)));
      continue;
    }
    const read = readAnnotations(parsed.value, obligationNames);
    const id = (read.ok ? read.value.id : null) ?? placeId(file.path, place.line, idsByPlace);
    if (!read.ok) {
      problems.push(...read.refusal.map((p) => at({ id, file: file.path, ...place }, p.message, p.hint)));
      continue;
    }
    if (hasUnsafeInteger(parsed.value)) {
      problems.push(
        at(
          { id, file: file.path, ...place },
          "a whole number is beyond 2^53-1",
          "arguments cannot carry such numbers",
        ),
      );
      continue;
    }
    const { approval, description, obligations } = read.value;
    policies.push({
      id,
      file: file.path,
      ...place,
      text,
      json: parsed.value,
      approval,
      description,
      obligations,
    });
  }
  return policies;
}

/** `<path>:<line>`, and `<path>:<line>.2` for a second policy on one line. */
function placeId(path: string, line: number, taken: Set<string>): string {
  const base = `${path}:${line}`;
  let id = base;
  for (let nth = 2; taken.has(id); nth++) id = `${base}.${nth}`;
  taken.add(id);
  return id;
}

/** The JSON form has been through a double, so a literal beyond 2^53-1 is no longer what was written. */
function hasUnsafeInteger(policy: PolicyJson): boolean {
  for (const clause of policy.conditions) {
    for (const expr of everyExpression(clause.body)) {
      const { shape } = view(expr);
      if (shape.kind !== "literal" || typeof shape.value !== "number") continue;
      if (!Number.isSafeInteger(shape.value)) return true;
    }
  }
  return false;
}

/** The same text with every character of `//` comments replaced by a space; strings are left as they are. */
function maskComments(text: string): string {
  return text.replaceAll(/"[^"\\]*(?:\\[\s\S][^"\\]*)*"|\/\/[^\r\n]*/g, (found) =>
    found.startsWith('"') ? found : " ".repeat(found.length),
  );
}

function beyondBounds(masked: string): { readonly at: number; readonly message: string } | null {
  const bare = masked.replaceAll(/"[^"\\]*(?:\\[\s\S][^"\\]*)*"/g, (found) => " ".repeat(found.length));
  let depth = 0;
  let operators = 0;
  for (const token of bare.matchAll(/[()[\]{};]|[&|=<>]+|[-!+*.@]|\b(?:if|in|is|has|like)\b/g)) {
    const text = token[0];
    if (text === "(" || text === "[" || text === "{") depth++;
    if (text === ")" || text === "]" || text === "}") depth--;
    else if (text === ";") operators = 0;
    else operators++; // brackets, too: `a["b"]["c"]` nests like `a.b.c`
    if (depth > nestingMax) return { at: token.index, message: `nested deeper than ${nestingMax}` };
    if (operators > operatorsMax)
      return { at: token.index, message: `more than ${operatorsMax} operators in one policy` };
  }
  return null;
}

interface Place {
  readonly line: number;
  readonly column: number;
}

function placeOf(text: string, offset: number): Place {
  return linesOf(text)(offset);
}

/** Answers places for ascending offsets without counting lines from the top each time. */
function linesOf(text: string): (offset: number) => Place {
  const breaks = text.matchAll(/\r\n|\r|\n/g);
  let next = breaks.next().value;
  let [line, lineStart] = [1, 0];
  return (offset) => {
    while (next !== undefined && next.index + next[0].length <= offset) {
      lineStart = next.index + next[0].length;
      line++;
      next = breaks.next().value;
    }
    return { line, column: offset - lineStart + 1 };
  };
}

const inFile = (file: PolicyFile, offset: number, message: string, hint: string | null): PolicyProblem => ({
  ...whole(message),
  file: file.path,
  ...placeOf(file.text, offset),
  hint,
});

/** Cedar counts bytes of UTF-8, editors count characters. */
function located(file: PolicyFile, problem: CedarProblem): PolicyProblem {
  const offset =
    problem.atByte === null ? 0 : Buffer.from(file.text).subarray(0, problem.atByte).toString().length;
  return inFile(file, offset, problem.message, problem.help);
}
