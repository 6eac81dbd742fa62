import type { IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import type { Code } from "../../contract/index.ts";
import type { Clock } from "../base/index.ts";
import { nodeHttp } from "../base/index.ts";
import { Stop, exitCodes, isCode, exitCodeOf } from "./exit.ts";

/** Answers are pages of at most 500 things; the largest tool definitions make some megabytes of one. */
const answerBytesMax = 64 * 1024 * 1024;
/** What one command fetches at most, page by page. */
const pageMax = 500;

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Listed<T> {
  readonly items: readonly T[];
  /** null = that was all. */
  readonly next: string | null;
}

export interface ClientOptions {
  readonly url: string;
  readonly token: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** The HTTP API of one node. Throws Stop with the node's own words. */
export class Client {
  private readonly options: ClientOptions;

  constructor(options: ClientOptions) {
    this.options = options;
  }

  get url(): string {
    return this.options.url;
  }

  get<T>(path: string, query: Query = {}): Promise<T> {
    return this.json("GET", path, query, undefined);
  }
  post<T>(path: string, body?: unknown): Promise<T> {
    return this.json("POST", path, {}, body);
  }
  put<T>(path: string, body: unknown): Promise<T> {
    return this.json("PUT", path, {}, body);
  }
  patch<T>(path: string, body: unknown): Promise<T> {
    return this.json("PATCH", path, {}, body);
  }
  delete<T>(path: string, query: Query = {}): Promise<T> {
    return this.json("DELETE", path, query, undefined);
  }

  /** A document that is text. */
  async text(path: string, query: Query = {}): Promise<string> {
    return (await this.send("GET", path, query, undefined)).body;
  }

  /** Bytes as they come; the time that is allowed is until the next of them. Throws Stop when they break off. */
  async *bytes(path: string, body: unknown, method: "GET" | "POST" = "POST"): AsyncGenerator<Buffer> {
    const { url, token, timeoutMs, clock } = this.options;
    const deadline = new AbortController();
    let cancel = clock.after(timeoutMs, () => deadline.abort());
    try {
      const response = await begin(new URL(`${url}/api/v1${path}`), method, token, body, deadline.signal);
      const status = response.statusCode ?? 0;
      if (status !== 200) throw refusalOf({ status, body: await readBody(response) }, url);
      for await (const piece of response) {
        cancel();
        yield piece as Buffer; // no encoding was set
        cancel = clock.after(timeoutMs, () => deadline.abort());
      }
    } catch (thrown) {
      if (deadline.signal.aborted)
        throw new Stop("timed-out", `${url} sent nothing for ${timeoutMs} ms.`, {
          exitCode: exitCodes.timedOut,
        });
      throw thrown instanceof Stop ? thrown : unreachable(thrown, url);
    } finally {
      cancel();
    }
  }

  /** Pages until there are `limit` or no more. Pages may be empty while there is more to look through. */
  async list<T>(
    path: string,
    limit: number,
    query: Query = {},
    perPage: number = pageMax,
  ): Promise<Listed<T>> {
    const items: T[] = [];
    let cursor: string | undefined;
    for (;;) {
      const page = await this.get<Listed<T>>(path, {
        ...query,
        limit: Math.min(perPage, limit - items.length),
        cursor,
      });
      items.push(...page.items);
      if (page.next === null || items.length >= limit) return { items, next: page.next };
      cursor = page.next;
    }
  }

  private async json<T>(method: string, path: string, query: Query, body: unknown): Promise<T> {
    const answer = await this.send(method, path, query, body);
    // The node's own schema says what this is (/api/v1/openapi.json); whoever gives us its address trusts it.
    return parsed(answer.body, this.url) as T;
  }

  private async send(method: string, path: string, query: Query, body: unknown): Promise<Received> {
    const { url, token, timeoutMs, clock } = this.options;
    const target = new URL(`${url}/api/v1${path}`);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) target.searchParams.set(name, String(value));
    }
    const deadline = new AbortController();
    const cancel = clock.after(timeoutMs, () => deadline.abort());
    try {
      const answer = await exchange(target, method, token, body, deadline.signal);
      if (answer.status >= 200 && answer.status < 300) return answer;
      throw refusalOf(answer, url);
    } catch (thrown) {
      if (deadline.signal.aborted) {
        throw new Stop("timed-out", `${url} did not answer within ${timeoutMs} ms.`, {
          exitCode: exitCodes.timedOut,
          hint:
            method === "GET"
              ? "Wait longer with --timeout."
              : "It may still happen: look before you repeat it.",
        });
      }
      throw thrown instanceof Stop ? thrown : unreachable(thrown, url);
    } finally {
      cancel();
    }
  }
}

/** A path of the API with its parameters encoded: api`/servers/${name}`. */
export const api = (parts: TemplateStringsArray, ...values: readonly string[]): string =>
  parts.map((part, at) => part + (at < values.length ? encodeURIComponent(values[at] ?? "") : "")).join("");

interface Received {
  readonly status: number;
  readonly body: string;
}

async function exchange(
  target: URL,
  method: string,
  token: string,
  body: unknown,
  signal: AbortSignal,
): Promise<Received> {
  const response = await begin(target, method, token, body, signal);
  return { status: response.statusCode ?? 0, body: await readBody(response) };
}

function begin(
  target: URL,
  method: string,
  token: string,
  body: unknown,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const text = body === undefined ? null : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      accept: "application/json, text/plain",
      connection: "close",
      ...(text === null
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
    };
    const send = target.protocol === "https:" ? requestHttps : nodeHttp().request;
    const request = send(target, { method, headers, signal }, resolve);
    request.on("error", reject);
    request.end(text ?? undefined);
  });
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const part = chunk as Buffer; // no encoding was set
    bytes += part.length;
    if (bytes > answerBytesMax) throw new Error(`the answer is larger than ${answerBytesMax} bytes`);
    chunks.push(part);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(body: string, url: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new Stop("not-signalbox", `${url} answered with something that is not JSON.`, {
      hint: "Is this the address of a Signalbox node?",
    });
  }
}

/** What `sendFailure` of the node writes; see /api/v1/openapi.json. */
interface ErrorAnswer {
  readonly error?: {
    readonly code?: unknown;
    readonly message?: unknown;
    readonly detail?: unknown;
    readonly requestId?: unknown;
  };
}

function refusalOf({ status, body }: Received, url: string): Stop {
  let said: ErrorAnswer["error"];
  try {
    said = (JSON.parse(body) as ErrorAnswer).error;
  } catch {
    said = undefined;
  }
  if (typeof said?.code !== "string") {
    return new Stop("not-signalbox", `${url} answered with HTTP ${status}.`, {
      hint: "Is this the address of a Signalbox node?",
    });
  }
  const { code } = said;
  const [detail, ...problems] = text(said.detail).split("\n");
  // The particulars where there are any: they say what the code's own sentence says, of this case.
  const sentence = detail === undefined || detail === "" ? text(said.message) : capitalised(detail);
  return new Stop(code, sentence, {
    exitCode: exitCodeOf(code),
    hint: isCode(code) ? (hints[code] ?? null) : null,
    problems,
    requestId: typeof said.requestId === "string" ? said.requestId : null,
  });
}

const capitalised = (sentence: string): string => `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`;

const text = (value: unknown): string => (typeof value === "string" ? value : "");

const credentialHint =
  "Give a valid key with SIGNALBOX_TOKEN or --token; `signalbox dev` leaves one for this machine.";
const ruleHint = "Ask someone whose role allows it; `signalbox policy show` shows the rules.";
const diskHint = "The node cannot write: look at its log, and at its disk or its database.";
const laterHint = "Try again shortly.";

const hints: Partial<Record<Code, string>> = {
  unauthenticated: credentialHint,
  "token-expired": credentialHint,
  "principal-disabled": "Someone with the role admin can enable it again.",
  forbidden: ruleHint,
  denied: ruleHint,
  "receipt-pending": "Receipts are made within a second: try again.",
  "queue-full": laterHint,
  "store-busy": laterHint,
  "too-many-calls": laterHint,
  "shutting-down": laterHint,
  "ledger-unavailable": diskHint,
  "store-unavailable": diskHint,
};

function unreachable(thrown: unknown, url: string): Stop {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  if (code === "ECONNREFUSED") {
    return new Stop("unreachable", `Nothing listens at ${url}.`, {
      hint: "Start the node (`signalbox dev`, `signalbox serve`), or name another with --url.",
    });
  }
  return new Stop("unreachable", `${url} cannot be reached: ${reason}.`, {
    hint: "`signalbox doctor` looks for the reason.",
  });
}
