import type { LedgerEntry, Outcome } from "../../ledger/index.ts";
import { entryKinds } from "../../ledger/index.ts";
import type { House } from "../house.ts";
import { iso } from "../instant.ts";
import { subjectName } from "./subject-name.ts";
import type { Shape } from "../../api/index.ts";
import {
  flag,
  instant,
  listOf,
  mapOf,
  object,
  objectWith,
  text,
  textOrNull,
  named,
} from "../../api/index.ts";

export const outcome = named(
  "Outcome",
  objectWith(["kind"], {
    kind: { enum: ["succeeded", "failed", "unknown", "refused"] },
    isError: {
      type: "boolean",
      description: "with `succeeded`: the tool said so itself, and may have had effects",
    },
    withheld: {
      type: "string",
      description:
        "with `succeeded`: why the caller was given other words than the tool's answer, a code; left out = it has the answer",
    },
    code: { type: "string", description: "with the others: the code of the refusal or failure" },
  }),
);

export const entry = named(
  "Entry",
  object({
    id: text,
    kind: { enum: entryKinds },
    at: instant,
    call: textOrNull,
    run: textOrNull,
    step: textOrNull,
    principals: { ...listOf(text), description: "the actor first, then on whose behalf" },
    method: text,
    subject: textOrNull,
    name: {
      ...textOrNull,
      description: "of the subject today: a tool's exposed name, a server's; null = none",
    },
    versions: { ...mapOf(text), description: "of what was in force" },
    decision: {
      type: ["object", "null"],
      properties: { effect: { enum: ["allow", "deny", "approve"] }, policies: listOf(text) },
      required: ["effect", "policies"],
      additionalProperties: false,
    },
    outcome: { oneOf: [outcome, { type: "null" }] },
    commitments: { ...mapOf(text), description: "SHA-256(salt ‖ bytes), base64" },
    after: textOrNull,
    leafHash: { type: "string", description: "SHA-256(0x00 ‖ leaf), base64" },
    hasPayload: flag,
  }),
);

export const payload = named(
  "Payload",
  objectWith(["entry", "erased"], {
    entry: text,
    erased: { type: "boolean", description: "true = its key was destroyed; nobody can read it again" },
    salt: { type: "string", description: "16 bytes, base64; opens the commitments" },
    arguments: { type: "string", description: "JSON text as it was sent" },
    result: { type: "string", description: "JSON text as the caller saw it, without the receipt" },
    note: { type: "object", description: "why it was refused, what an act changed" },
  }),
);

export function entryView(
  house: Pick<House, "registry">,
  { entry: found, leafHash, sealed }: LedgerEntry,
): Shape<typeof entry> {
  const { id, kind, at, call, run, step, principals, method, subject, versions, decision } = found;
  return {
    id,
    kind,
    at: iso(at),
    call,
    run,
    step,
    principals,
    method,
    subject,
    name: subject === null ? null : subjectName(house, found.tenant, subject),
    versions,
    decision,
    outcome: found.outcome === null ? null : outcomeView(found.outcome),
    commitments: found.commitments,
    after: found.after,
    leafHash: Buffer.from(leafHash).toString("base64"),
    hasPayload: sealed !== null,
  };
}

export function outcomeView(found: Outcome): Shape<typeof outcome> {
  switch (found.kind) {
    case "succeeded":
      return {
        kind: "succeeded",
        isError: found.isError,
        ...(found.withheld === undefined ? {} : { withheld: found.withheld }),
      };
    case "failed":
    case "unknown":
    case "refused":
      return { kind: found.kind, code: found.code };
  }
}

/** Null = the entry was written without one. */
export async function payloadView(
  { ledger }: Pick<House, "ledger">,
  found: LedgerEntry,
): Promise<Shape<typeof payload> | null> {
  const opened = await ledger.payload(found);
  if (opened === null) return null;
  const { id } = found.entry;
  return opened.erased ? { entry: id, erased: true } : { entry: id, erased: false, ...opened.payload };
}
