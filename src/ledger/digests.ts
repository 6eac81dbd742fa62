import type { Sha256Hex } from "../base/index.ts";
import { sha256Hex } from "../base/index.ts";
import type { PrincipalId, TenantId } from "../identity/index.ts";
import { escaped, quoteAll, quoteOrNull } from "./canonical-text.ts";
import type { RunId } from "./shapes.ts";

/** What a step is, apart from who asks and what was in force: the same digest means the recorded outcome may be given back. */
export interface StepIdentity {
  readonly method: string;
  readonly serverId: string;
  /** Upstream name. */
  readonly name: string;
  /** `commitment(salt, RFC 8785 bytes of the arguments)`. */
  readonly argumentsCommitment: string;
}

/** What an approval is bound to. Principal ids, never token ids. */
export interface IntentIdentity extends StepIdentity {
  readonly tenant: TenantId;
  /** The actor first, then on whose behalf, nearest first. */
  readonly principals: readonly PrincipalId[];
  /** null = there is nothing pinned, e.g. a resource. */
  readonly pin: string | null;
  readonly run: RunId | null;
  readonly step: string | null;
  /** Digest of the policy partition that decides this tool. */
  readonly partition: Sha256Hex;
}

/** SHA-256 over RFC 8785 of `{argumentsCommitment, method, name, serverId, v: 1}`. Never changes for the same step. */
export const stepDigest = (step: StepIdentity): Sha256Hex =>
  sha256Hex(
    `{"argumentsCommitment":"${escaped(step.argumentsCommitment)}","method":"${escaped(step.method)}` +
      `","name":"${escaped(step.name)}","serverId":"${escaped(step.serverId)}","v":1}`,
  );

/** SHA-256 over RFC 8785 of all of it and `v: 1`. */
export const intentDigest = (intent: IntentIdentity): Sha256Hex =>
  sha256Hex(
    `{"argumentsCommitment":"${escaped(intent.argumentsCommitment)}","method":"${escaped(intent.method)}` +
      `","name":"${escaped(intent.name)}","partition":"${escaped(intent.partition)}` +
      `","pin":${quoteOrNull(intent.pin)},"principals":${quoteAll(intent.principals)}` +
      `,"run":${quoteOrNull(intent.run)},"serverId":"${escaped(intent.serverId)}` +
      `","step":${quoteOrNull(intent.step)},"tenant":"${escaped(intent.tenant)}","v":1}`,
  );
