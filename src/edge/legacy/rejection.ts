import { ProtocolError } from "@modelcontextprotocol/server";
import type { ReceiptReference, Refusal } from "../../../contract/index.ts";
import { refusalError } from "../wire.ts";

/** A refusal as what the SDK turns into a JSON-RPC error. */
export function rejection(refusal: Refusal, receipt: ReceiptReference | null = null): ProtocolError {
  const { code, message, data } = refusalError(refusal, receipt);
  return new ProtocolError(code, message, data);
}
