import type { ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { Code, Effect, Refusal, Retry } from "../../contract/index.ts";
import { codes } from "../../contract/index.ts";

/** The body of every answer that says no. */
interface ErrorBody {
  readonly error: {
    readonly code: Code;
    readonly cause: string;
    readonly retry: Retry;
    readonly effect: Effect;
    /** The code's own sentence. */
    readonly message: string;
    /** The particulars; may be empty. */
    readonly detail: string;
    readonly requestId: string;
    /** Everything that is wrong with what was sent, where that is a list. */
    readonly problems?: readonly unknown[];
  };
}

export interface Failure extends Refusal {
  /** Where what was thrown knows better than the code's row. */
  readonly effect?: Effect;
  readonly retry?: Retry;
  /** Unlike `evidence`, shown to the caller. */
  readonly problems?: readonly unknown[];
}

export function sendAnswer(
  response: ServerResponse,
  answer: { readonly status: number; readonly type: string; readonly isPublic: boolean },
  body: string,
): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(answer.status, {
    ...commonHeaders,
    "content-type": `${answer.type}; charset=utf-8`,
    "content-length": Buffer.byteLength(body),
    // Answers hold what only this caller may see, and sometimes a secret shown once.
    "cache-control": answer.isPublic ? "public, max-age=60" : "no-store",
  });
  response.end(body);
}

/** Bytes as they are made, no faster than they are taken. Rejects, with the connection broken off, when making them fails. */
export async function sendStream(response: ServerResponse, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(200, {
    ...commonHeaders,
    "content-type": "application/octet-stream",
    "cache-control": "no-store",
  });
  try {
    await pipeline(bytes, response);
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : null;
    if (code !== "ERR_STREAM_PREMATURE_CLOSE") throw thrown; // else the caller went away
  }
}

/** `evidence` stays here: it is the operator's. */
export function sendFailure(response: ServerResponse, failure: Failure, requestId: string): void {
  if (response.destroyed || response.headersSent) return;
  const row = codes[failure.code];
  const error: ErrorBody = {
    error: {
      code: failure.code,
      cause: row.cause,
      retry: failure.retry ?? row.retry,
      effect: failure.effect ?? row.effect,
      message: row.text,
      detail: failure.detail,
      requestId,
      ...(failure.problems === undefined ? {} : { problems: failure.problems }),
    },
  };
  const body = JSON.stringify(error);
  response.writeHead(row.http, {
    ...commonHeaders,
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    ...extraHeaders(failure),
  });
  response.end(body);
}

const commonHeaders = { "x-content-type-options": "nosniff" } as const;

function extraHeaders(failure: Failure): Record<string, string> {
  const row = codes[failure.code];
  if (row.http === 401) return { "www-authenticate": `Bearer realm="signalbox"` };
  const scope = failure.evidence?.["scope"];
  if (row.http === 403 && typeof scope === "string")
    return { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` };
  const allowed = failure.evidence?.["allowed"];
  if (failure.code === "method-not-found" && Array.isArray(allowed)) return { allow: allowed.join(", ") };
  return row.retry === "later" && row.http === 503 ? { "retry-after": "1" } : {};
}
