import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { MonotonicMs } from "../base/index.ts";
import type { CallInput } from "../calls/index.ts";
import type { Principal } from "../identity/index.ts";
import type { PlainRequest } from "./plain/request.ts";

/** A request to /mcp: read by Node's HTTP server, or without it. */
export type McpRequest = IncomingMessage | PlainRequest;

/** What answers to requests need: of `ServerResponse`, whose words these are, and of `PlainResponse`. */
export interface McpResponse {
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
  /** Bytes that wait for their reader. */
  readonly writableLength: number;
  readonly destroyed: boolean;
  readonly socket: Socket | null;
  /** Headers are a flat list: names and values in turn. Without a length the answer goes in chunks. */
  writeHead(status: number, headers: string[]): unknown;
  flushHeaders(): void;
  write(text: string): unknown;
  end(): unknown;
  end(text: string): unknown;
  end(text: string, encoding: "latin1" | "utf8"): unknown;
  /** Ends the connection. */
  destroy(): unknown;
  /** Once the whole answer has been handed over, or nobody is there any more. */
  once(event: "close", listener: () => void): unknown;
}

/** An authenticated request on its way to an era. */
export interface Exchange {
  readonly request: McpRequest;
  readonly response: McpResponse;
  readonly principal: Principal;
  /** Asks again who the caller is: the same token, today's answer. */
  readonly authenticate: CallInput["authenticate"];
  readonly receivedAt: MonotonicMs;
}
