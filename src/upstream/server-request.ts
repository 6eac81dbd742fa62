import type { Message } from "./message.ts";

/** We declare no capabilities, so a server may only ask whether we live. */
export function answerToServerRequest(message: Extract<Message, { kind: "request" }>): string {
  const id = JSON.stringify(message.id);
  if (message.method === "ping") return `{"jsonrpc":"2.0","id":${id},"result":{}}`;
  return `{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"This client offers no such method."}}`;
}
