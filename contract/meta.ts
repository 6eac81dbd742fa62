/** `_meta` keys of ours on requests and results. Fixed: clients and SDKs rely on them. */
export const metaKeys = {
  run: "dev.signalbox/run",
  step: "dev.signalbox/step",
  attempt: "dev.signalbox/attempt",
  key: "dev.signalbox/key",
  receipt: "dev.signalbox/receipt",
  refusal: "dev.signalbox/refusal",
  /** On the answer to a call that waits for approval: a `PendingApproval`. */
  pending: "dev.signalbox/pending",
  /** On a request: the name of the server meant, where an URI alone does not tell. */
  server: "dev.signalbox/server",
  /** On a request to a server whose tool is `verifiable`: our id of the call, by which its verify tool may know it again. */
  call: "dev.signalbox/call",
  /** On a request to a verify tool: the id of the call that it is asked about. */
  verifies: "dev.signalbox/verifies",
} as const;

/** The tool that waits for a call to be approved and answers with its result. */
export const waitToolName = "signalbox__wait";

/** The tool that asks people about something of the agent's own; policies call it `signalbox/ask`. */
export const askToolName = "signalbox__ask";

/** `/run`, `/step` and `/key` are chosen by the caller: 1-128 of these characters. */
export const callerName = /^[A-Za-z0-9._:-]{1,128}$/;

/** What a result carries: enough to fetch the proof later (`GET /api/v1/receipts/{entry}`). `leaf` is SHA-256 in base64. */
export interface ReceiptReference {
  readonly entry: string;
  readonly leaf: string;
}
