import type { Code, ReceiptReference } from "../../contract/index.ts";
import { metaKeys } from "../../contract/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import type { CallId, Outcome, Payload } from "../ledger/index.ts";
import { closeCall, entryWrite, markUnknown, readOpenCall, sealPayload } from "../ledger/index.ts";
import { removeKnownSecretsFromJson } from "../screening/index.ts";
import type { Subject } from "../registry/index.ts";
import { claimSettled } from "./claim-settled.ts";
import { entryId } from "./entries.ts";
import type { House } from "./house.ts";
import { withReceipt, withheldText, withoutOurKeys, withoutOurMeta } from "./result-text.ts";
import { outputViolation } from "./screen.ts";
import { committed } from "./write-entry.ts";

type JsonObject = Readonly<Record<string, unknown>>;

interface Told {
  readonly call: CallId;
  /** The server's answer to `tasks/get`. */
  readonly status: JsonObject;
  /** The exact text of its `result`; null = it has none. */
  readonly raw: string | null;
  readonly subject: Subject;
  readonly principal: Principal;
}

/** What the caller may see of a task's state. One that has ended is recorded first; whoever else records it, the first wins. */
export async function settleTask(told: Told, house: House): Promise<JsonObject> {
  const secrets = house.vault.knownSecrets(told.principal.tenant);
  const clean = removeKnownSecretsFromJson(JSON.stringify(told.status), secrets).text;
  const status = withoutOurMeta(JSON.parse(clean.startsWith("{") ? clean : "{}") as JsonObject);
  const outcome = outcomeOf(told.status);
  if (outcome === null) return status;
  const { tenant } = told.principal;
  const open = await readOpenCall(house.store, told.call);
  const intent = open === null ? null : await house.ledger.entry(tenant, open.intentEntry);
  if (open !== null && intent !== null) await record(told, status, outcome, { open, intent }, house);
  return (await recordedEnd(told.call, tenant, house)) ?? status;
}

function outcomeOf(status: JsonObject): Outcome | null {
  switch (status["status"]) {
    case "completed": {
      const result = status["result"];
      return { kind: "succeeded", isError: isObject(result) && result["isError"] === true };
    }
    // The server carried it out, and it ended in an error of the protocol.
    case "failed":
      return { kind: "succeeded", isError: true };
    case "cancelled":
      return { kind: "unknown", code: "cancelled" };
    default:
      return null;
  }
}

type Standing = {
  readonly open: NonNullable<Awaited<ReturnType<typeof readOpenCall>>>;
  readonly intent: NonNullable<Awaited<ReturnType<House["ledger"]["entry"]>>>;
};

async function record(
  told: Told,
  status: JsonObject,
  outcome: Outcome,
  { open, intent }: Standing,
  house: House,
): Promise<void> {
  const opened = await house.ledger.payload(intent);
  const salt = opened === null || opened.erased ? null : Buffer.from(opened.payload.salt ?? "", "base64");
  const commitments: Record<string, string> = { ...intent.entry.commitments };
  const { result, ...task } = status;
  const { seen, withheld } = toolResult(result, task, told.subject, house);
  if (salt !== null) {
    if (told.raw !== null) commitments["raw"] = committed(salt, told.raw);
    commitments["result"] = committed(salt, seen);
  }
  const id = entryId(told.call, 1);
  const at = house.clock.wall();
  const entry = {
    ...intent.entry,
    kind: "outcome" as const,
    id,
    at,
    outcome: withheld === null || outcome.kind !== "succeeded" ? outcome : { ...outcome, withheld },
    commitments,
    after: open.intentEntry,
  };
  const payload: Payload = { result: seen, note: { task } };
  const key = intent.sealed === null ? null : await house.keys.scopeKey(intent.sealed.scope);
  const sealed = key === null ? null : sealPayload(house.keys, key, id, payload);
  const row =
    outcome.kind === "unknown"
      ? markUnknown(open.call, open, "waiting")
      : closeCall(open.call, open, "waiting");
  const writes = [entryWrite(entry, sealed).write, row];
  const claim = await claimSettled(open, outcome, id, house.store);
  if (claim !== null) writes.push(claim);
  const verdict = await house.store.commit(writes);
  if (verdict.verdict === "done") house.ledger.noted(open.tenant);
}

/** A step that is asked for again gives back the tool's result, in whatever way it came. */
function toolResult(
  result: unknown,
  task: JsonObject,
  subject: Subject,
  house: House,
): { readonly seen: string; readonly withheld: Code | null } {
  if (isObject(result)) {
    const violation = outputViolation(subject, result, result["isError"] === true, house);
    return violation === null
      ? { seen: withoutOurKeys(JSON.stringify(result), result), withheld: null }
      : { seen: withheldText("result-invalid", violation), withheld: "result-invalid" };
  }
  const text = `The task ended ${String(task["status"])}: ${JSON.stringify(task["error"] ?? task["statusMessage"] ?? null)}`;
  return {
    seen: JSON.stringify({ content: [{ type: "text", text }], isError: true }),
    withheld: null,
  };
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The state of a task whose end is on record, as its caller is given it; null = it goes on. */
export async function recordedEnd(call: CallId, tenant: TenantId, house: House): Promise<JsonObject | null> {
  const found = await house.ledger.entry(tenant, entryId(call, 1));
  if (found === null) return null;
  const receipt: ReceiptReference = {
    entry: found.entry.id,
    leaf: Buffer.from(found.leafHash).toString("base64"),
  };
  const opened = await house.ledger.payload(found);
  const payload = opened === null || opened.erased ? {} : opened.payload;
  const task = payload.note?.["task"] as JsonObject | undefined; // written by `record`
  if (payload.result === undefined || task === undefined) {
    const statusMessage = "The record of this task was erased, or nobody asked for it in time.";
    return { status: "cancelled", statusMessage, _meta: { [metaKeys.receipt]: receipt } };
  }
  if (task["status"] !== "completed") return { ...task, _meta: { [metaKeys.receipt]: receipt } };
  return { ...task, result: JSON.parse(withReceipt(payload.result, receipt)) as JsonObject };
}
