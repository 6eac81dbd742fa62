import type { IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { createParser } from "eventsource-parser";
import { nodeHttp } from "../../base/index.ts";

/** A node and who asks; null = it asks for no token. */
export interface Target {
  readonly url: string;
  readonly token: string | null;
}

/**
 *  not-sent  nothing reached the node, so it may be sent again
 *  lost      it may have reached the node
 */
export class WireFailure extends Error {
  override readonly name = "WireFailure";
  readonly kind: "not-sent" | "lost";

  constructor(kind: "not-sent" | "lost", cause: unknown) {
    super(cause instanceof Error ? cause.message : "the connection was lost", { cause });
    this.kind = kind;
  }
}

/** The largest result a node passes on by default has 16 MiB; an operator may allow more. */
const answerBytesMax = 64 * 1024 * 1024;
/** No connection was made: name, route or port. */
const neverConnected: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** The HTTP side of the bridge: no timeouts of its own, because calls may take long; what is not wanted any more is aborted. */
export class Wire {
  private readonly http = new (nodeHttp().Agent)({ keepAlive: true });
  private readonly https = new HttpsAgent({ keepAlive: true });

  /** Resolves with the head of the answer. Rejects with WireFailure. */
  send(
    target: Target,
    message: {
      readonly method: "POST" | "GET" | "DELETE";
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string | null;
      readonly signal: AbortSignal;
    },
  ): Promise<IncomingMessage> {
    const url = new URL(`${target.url}/mcp`);
    const isTls = url.protocol === "https:";
    const { method, body, signal } = message;
    const headers = {
      ...(target.token === null ? {} : { authorization: `Bearer ${target.token}` }),
      accept: method === "GET" ? "text/event-stream" : "application/json, text/event-stream",
      ...(body === null
        ? {}
        : { "content-type": "application/json", "content-length": `${Buffer.byteLength(body)}` }),
      ...message.headers,
    };
    return new Promise((resolve, reject) => {
      const request = (isTls ? requestHttps : nodeHttp().request)(
        url,
        { method, headers, signal, agent: isTls ? this.https : this.http },
        resolve,
      );
      request.on("error", (error: NodeJS.ErrnoException) => {
        reject(new WireFailure(neverConnected.has(error.code) ? "not-sent" : "lost", error));
      });
      request.end(body ?? undefined);
    });
  }

  close(): void {
    this.http.destroy();
    this.https.destroy();
  }
}

export async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response) {
      const part = chunk as Buffer; // no encoding was set
      bytes += part.length;
      if (bytes > answerBytesMax) throw new Error(`the answer is larger than ${answerBytesMax} bytes`);
      chunks.push(part);
    }
  } catch (cause) {
    throw new WireFailure("lost", cause);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Each event's data, as it comes; resolves at the stream's end. */
export async function eventsOf(response: IncomingMessage, onData: (data: string) => void): Promise<void> {
  const parser = createParser({
    onEvent: ({ data }) => onData(data),
    onError: (error) => response.destroy(error),
    maxBufferSize: answerBytesMax,
  });
  response.setEncoding("utf8");
  try {
    for await (const chunk of response) parser.feed(String(chunk));
  } catch (cause) {
    throw new WireFailure("lost", cause);
  }
}

export const isEventStream = (response: IncomingMessage): boolean =>
  (response.headers["content-type"] ?? "").toLowerCase().startsWith("text/event-stream");
