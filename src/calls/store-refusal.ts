import type { Refusal } from "../../contract/index.ts";
import { Fault, explain } from "../base/index.ts";

/** The ledger could not be written before anything happened: a refusal without effect. Throws on what is no Fault. */
export function storeRefusal(thrown: unknown): Refusal {
  if (!(thrown instanceof Fault)) throw thrown; // a bug of ours is not the disk's
  const fault = thrown;
  const code = fault.code === "store-busy" || fault.code === "lease-lost" ? fault.code : "ledger-unavailable";
  return {
    code,
    detail: "nothing was sent to the tool",
    evidence: { store: fault.code, reason: explain(fault) },
  };
}
