import type { Refusal } from "../../contract/index.ts";
import { explain, faultFrom } from "../base/index.ts";

/** The ledger could not be written before anything happened: a refusal without effect. */
export function storeRefusal(thrown: unknown): Refusal {
  const fault = faultFrom(thrown, "writing to the ledger");
  const code = fault.code === "store-busy" || fault.code === "lease-lost" ? fault.code : "ledger-unavailable";
  return {
    code,
    detail: "nothing was sent to the tool",
    evidence: { store: fault.code, reason: explain(fault) },
  };
}
