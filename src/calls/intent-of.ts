import type { Sha256Hex } from "../base/index.ts";
import { intentDigest } from "../ledger/index.ts";
import { principalIds } from "./principal-ids.ts";
import type { Authorised } from "./stages.ts";

/** What exactly will run, for whom, and under which policies. */
export const intentOf = (call: Authorised): Sha256Hex =>
  intentDigest({
    method: call.input.method,
    serverId: call.subject.server.id,
    name: call.subject.name,
    argumentsCommitment: call.argumentsCommitment,
    tenant: call.principal.tenant,
    principals: principalIds(call.principal),
    pin: call.subject.pin,
    run: call.run?.record.run ?? null,
    step: call.run?.step ?? null,
    partition: call.decision.partition,
  });
