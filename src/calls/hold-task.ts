import type { Code } from "../../contract/index.ts";
import { msOf, plusMs } from "../base/index.ts";
import { awaitInput } from "../ledger/index.ts";
import { insert } from "../store/index.ts";
import { principalIds } from "./principal-ids.ts";
import type { House } from "./house.ts";
import { holderOf } from "./house.ts";
import { settledElsewhere } from "./let-wait.ts";
import { withoutSecrets } from "./progress.ts";
import { recordLateIntent } from "./record-intent.ts";
import { withoutOurMeta } from "./result-text.ts";
import type { Executed, Held, Reply } from "./stages.ts";
import { Stop } from "./station.ts";
import { storeRefusal } from "./store-refusal.ts";
import { taskTable } from "./tables.ts";

const taskIdCharsMax = 512;
/** For a server that names no time to live, or a longer one: nobody comes back after a week. */
const taskKeptMsMax = 7 * 24 * 3_600_000;

/**
 * The server goes on by itself: its task is durable under our call id before the caller hears of it, so that any node can ask for
 * it, also after this one has gone. A reply = it cannot be kept: nobody will know what becomes of it.
 */
export async function holdTask(
  call: Executed,
  held: Extract<Held, { kind: "task" }>,
  house: House,
): Promise<Stop | Reply> {
  const { taskId, ttlMs } = held.value;
  if (typeof taskId !== "string" || taskId === "" || taskId.length > taskIdCharsMax)
    return notKept("upstream-garbage", "the server's task has no usable id");
  const stop = await recordLateIntent(call, house);
  if (stop !== null)
    return stop.reason.kind === "refused" ? notKept(stop.reason.refusal.code, "its task was not kept") : stop;
  const keptMs = typeof ttlMs === "number" && ttlMs > 0 ? Math.min(ttlMs, taskKeptMsMax) : taskKeptMsMax;
  try {
    if (!(await keep(call, taskId, keptMs, house))) return settledElsewhere();
  } catch (thrown) {
    return notKept("outcome-not-recorded", "its task was not kept", storeRefusal(thrown).evidence);
  }
  const value = withoutOurMeta(held.value);
  const shown = withoutSecrets(value, call, house) ?? { status: value["status"] };
  const text = JSON.stringify({ ...shown, resultType: "task", taskId: call.id });
  return new Stop({ kind: "held", answer: { kind: "task", text, receipt: null } });
}

/** False = another node has settled the call. */
async function keep(call: Executed, taskId: string, keptMs: number, house: House): Promise<boolean> {
  const { principal, subject } = call;
  const expiresAt = plusMs(await house.store.now(), keptMs);
  const row = {
    call: call.id,
    tenant: principal.tenant,
    owner: principalIds(principal).join("\n"),
    server: subject.server.id,
    subject: subject.id,
    task: await sealTaskId(taskId, principal.tenant, house),
    expiresAt: msOf(expiresAt),
  };
  const verdict = await house.store.commit([
    awaitInput(call.id, holderOf(house), expiresAt, false),
    insert(taskTable, row),
  ]);
  return verdict.verdict === "done";
}

const notKept = (code: Code, detail: string, evidence: Readonly<Record<string, unknown>> = {}): Reply => ({
  kind: "unknown",
  code,
  detail,
  evidence,
});

/** A server's task id is as good as a key to it. */
async function sealTaskId(taskId: string, tenant: string, house: House): Promise<string> {
  const key = await house.keys.scopeKey(taskScope(tenant));
  return Buffer.from(house.keys.seal(key, taskId, taskScope(tenant))).toString("base64");
}

export async function openTaskId(sealed: string, tenant: string, house: House): Promise<string> {
  const key = await house.keys.scopeKey(taskScope(tenant));
  const bytes = house.keys.open(key, Buffer.from(sealed, "base64"), taskScope(tenant));
  return Buffer.from(bytes).toString("utf8");
}

const taskScope = (tenant: string): string => `task/${tenant}`;
