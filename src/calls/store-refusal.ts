import type { Code, Refusal } from "../../contract/index.ts";
import { Fault, explain } from "../base/index.ts";

const ofStore: ReadonlySet<Code> = new Set([
  "store-busy",
  "store-unavailable",
  "lease-lost",
  "shutting-down",
]);

export const isStoreFault = (thrown: unknown): thrown is Fault =>
  thrown instanceof Fault && ofStore.has(thrown.code);

/** The ledger could not be read or written before anything happened: a refusal without effect. Throws on what is no Fault. */
export function storeRefusal(thrown: unknown): Refusal {
  if (!(thrown instanceof Fault)) throw thrown; // a bug of ours is not the disk's
  const fault = thrown;
  const code = isStoreFault(fault) && fault.code !== "store-unavailable" ? fault.code : "ledger-unavailable";
  return {
    code,
    detail: "nothing was sent to the tool",
    evidence: { store: fault.code, reason: explain(fault) },
  };
}
