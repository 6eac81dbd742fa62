import { ContextExhausted } from "./errors.ts";

/** What is known of a call that found no room; null = not known. */
export interface TokensShort {
  /** What it would have taken. */
  readonly needed: number | null;
  /** What there is. */
  readonly limit: number | null;
}

/**
 * Whether an error says that the context window, or another limit on a request's tokens, has no room for it, in the shapes of the usual
 * models' makers and their clients. A limit on tokens per minute passes by itself, and is none of these.
 */
export const isContextExhausted = (error: unknown): boolean => shortageIn(error) !== null;

/** null = it says something else. */
export function shortageIn(error: unknown): TokensShort | null {
  if (error instanceof ContextExhausted) return error.tokens;
  const texts: string[] = [];
  const statuses: number[] = [];
  collect(error, texts, statuses, depthMax);
  if (statuses.some((status) => !statusesOfRequests.has(status))) return null;
  const all = texts.join("\n").slice(0, charactersMax);
  if (codes.test(all) || sentences.some((sentence) => sentence.test(all))) return numbersIn(all);
  return statuses.includes(413) ? unknown : null;
}

/** Of a request that cannot be taken as it is. Anything else (a rate, a key, a server in trouble) is no matter of its length. */
const statusesOfRequests: ReadonlySet<number> = new Set([400, 413, 422]);

/** OpenAI and what speaks like it; llama.cpp; Anthropic, for an answer that was cut off and for a body; LiteLLM. */
const codes =
  /\b(context_length_exceeded|exceed_context_size_error|model_context_window_exceeded|request_too_large|ContextWindowExceededError)\b/;

const sentences = [
  /prompt is too long/i, // Anthropic
  /exceeds? (the )?context (limit|window|length|size)/i, // Anthropic with max_tokens, OpenAI's responses
  /maximum (context|prompt) length/i, // OpenAI, vLLM, OpenRouter, Mistral, xAI
  /input token count.{0,40}exceeds/i, // Google
  /input is too long/i, // Bedrock
  /available context size|greater than the context length/i, // llama.cpp, LM Studio
  /reduce the length of (the|your) (messages|prompt|input)/i, // OpenAI, Groq
  /exceeded.{0,20}token limit|context window (is )?exceed/i, // Kimi, MiniMax
];

/** Where the two numbers stand; the first that fits counts. */
const numbers: readonly { readonly at: RegExp; readonly read: (...found: number[]) => TokensShort }[] = [
  { at: /(\d+) \+ (\d+) > (\d+)/, read: (a = 0, b = 0, limit = 0) => ({ needed: a + b, limit }) },
  { at: /(\d+)(?: tokens)? > (\d+)/, read: (needed = 0, limit = 0) => ({ needed, limit }) },
  { at: /\((\d+)\) exceeds [^(\n]{0,80}\((\d+)\)/, read: (needed = 0, limit = 0) => ({ needed, limit }) },
  {
    at: /maximum (?:context|prompt) length is (\d+)[^\d\n]{1,120}(\d+)/,
    read: (limit = 0, needed = 0) => ({ needed, limit }),
  },
];

const unknown: TokensShort = { needed: null, limit: null };

function numbersIn(text: string): TokensShort {
  const plain = text.replaceAll(/(?<=\d),(?=\d{3})/g, "");
  for (const { at, read } of numbers) {
    const found = at.exec(plain);
    if (found !== null) return read(...found.slice(1).map(Number));
  }
  return unknown;
}

/** Errors wrap errors and bodies; deeper than so nobody has wrapped one yet. */
const depthMax = 5;
/** What says it says so at its beginning. */
const charactersMax = 16_384;
/** Where clients of models keep what the server said. */
const members = [
  "cause",
  "error",
  "errors",
  "lastError",
  "data",
  "response",
  "body",
  "responseBody",
] as const;

function collect(value: unknown, texts: string[], statuses: number[], depth: number): void {
  if (typeof value === "string") texts.push(value.slice(0, charactersMax));
  if (typeof value !== "object" || value === null || depth === 0) return;
  if (Array.isArray(value)) {
    for (const each of value.slice(0, 8)) collect(each, texts, statuses, depth - 1);
    return;
  }
  const said = value as Readonly<Record<string, unknown>>; // anything may be thrown: members are looked at one by one
  for (const name of ["status", "statusCode"] as const) {
    const status = said[name];
    if (typeof status === "number") statuses.push(status);
  }
  for (const name of ["name", "code", "type", "message"] as const) {
    const text = said[name];
    if (typeof text === "string") texts.push(text.slice(0, charactersMax));
  }
  for (const name of members) if (said[name] !== undefined) collect(said[name], texts, statuses, depth - 1);
}
