import { codes } from "../../contract/index.ts";
import type { JsonRpcError } from "./exchange.ts";
import type { ServerRequest } from "./message.ts";

export const pong = (id: ServerRequest["id"]): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{}}`;

export const answerText = (id: ServerRequest["id"], result: Readonly<Record<string, unknown>>): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${JSON.stringify(result)}}`;

export const refusalText = (id: ServerRequest["id"], error: JsonRpcError): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${JSON.stringify(error)}}`;

/** Why a request of a server is refused, beside what `ask-rules.ts` says. */
export const refusals = {
  /** There is no call of which it could be part, or no telling which. */
  nobody: { code: -32601, message: "There is no client here who can be asked this." },
  /** It could be meant for a caller that must not hear it. */
  unplaced: {
    code: -32603,
    message: "Several clients share this connection, and nothing says which of them is asked.",
  },
  gone: {
    code: codes.cancelled.rpc,
    message: "The call that this belongs to has ended, or its caller has gone.",
  },
  tooMany: { code: codes["too-many-calls"].rpc, message: "This call has asked too much." },
  failed: { code: -32603, message: "The client could not be asked." },
} as const satisfies Record<string, JsonRpcError>;
