import { commitment, elapsedMs } from "../base/index.ts";
import type { WallMs } from "../base/index.ts";
import { listOpenCalls, openPayload, verifyLedger } from "../ledger/index.ts";
import type { Entry, EntryId, LedgerEntry, OpenCall, Payload } from "../ledger/index.ts";
import { entryOfLeaf } from "../ledger/index.ts";
import type { MemoryDatabase, MemoryStore } from "../store/index.ts";
import type { CallAnswer } from "./call.ts";
import { resolvedBy } from "./resolved-by.ts";
import { checkApprovals } from "./simulation-check-approvals.fixture.ts";
import type { Seen } from "./simulation.fixture.ts";
import { isRepeatable } from "./simulation-wishes.fixture.ts";
import type { Wish } from "./simulation-wishes.fixture.ts";
import type { SimulatedNode } from "./simulation-node.fixture.ts";
import type { Sent } from "./simulation-servers.fixture.ts";
import { dispatchWindowMs, tenants } from "./simulation-node.fixture.ts";

/** Refusals that may come without an entry: nothing was planned, or the ledger could not be written. */
const mayLackReceipt = new Set([
  "ledger-unavailable",
  "store-busy",
  "store-unavailable",
  "lease-lost",
  "outcome-not-recorded",
  "shutting-down",
]);

/** At the moment an answer is heard: is it on record already, with the same outcome, and always the same? */
export function checkAnswer(wish: Wish, answer: CallAnswer, database: MemoryDatabase): string[] {
  const { receipt } = answer;
  const what = `${wish.label} (${wish.tool})`;
  const code = answer.kind === "refused" ? answer.refusal.code : null;
  if (code === "internal") return [`${what}: a bug of ours: ${JSON.stringify(answer)}`];
  if (code === "step-mismatch" && wish.label !== "other") return [`${what}: does not fit itself`];
  // The call stays open; what is durable of it is looked at when everything has healed.
  if (answer.kind === "input-required" || answer.kind === "task") return [];
  if (receipt === null) {
    // What could not be recorded says so, or is a refusal that the failing ledger could not take.
    return code !== null && (mayLackReceipt.has(code) || answer.kind === "refused")
      ? []
      : [`${what}: no receipt`];
  }
  const row = database.logTable("entry").get(receipt.entry);
  if (row === null) return [`${what}: answered before its entry ${receipt.entry} was durable`];
  const problems: string[] = [];
  if (Buffer.from(row["leafHash"] as Uint8Array).toString("base64") !== receipt.leaf)
    problems.push(`${what}: its receipt names another leaf than ${receipt.entry} has (${String(code)})`);
  const { outcome, tenant } = entryOfLeaf(row["leaf"] as string);
  if (tenant !== wish.principal.tenant) problems.push(`${what}: got an entry of ${tenant}`);
  if (answer.kind === "result") {
    if (outcome?.kind !== "succeeded")
      problems.push(`${what}: a result, but recorded is ${JSON.stringify(outcome)}`);
    if (wish.label === "other") problems.push("another step's result was given for other arguments");
    if (wish.isNamed) wish.texts.add(answer.text);
    if (wish.texts.size > 1)
      problems.push(`${what}: answered with different texts: ${[...wish.texts].join("\n")}`);
  } else if (outcome?.kind === "succeeded") {
    problems.push(`${what}: refused with ${String(code)}, but recorded is a success`);
  } else if (
    outcome !== null &&
    outcome !== undefined &&
    code !== "outcome-unknown" &&
    outcome.code !== code
  ) {
    problems.push(`${what}: refused with ${String(code)}, but recorded is ${outcome.code}`);
  }
  return problems;
}

/** After everything has healed: claims, open calls and entries tell one story, and the log proves itself. */
export async function checkEverything(
  seen: Seen,
  sent: readonly Sent[],
  store: MemoryStore,
  node: SimulatedNode,
): Promise<void> {
  const intents = new Map<string, WallMs[]>();
  const say = (problem: string) => void seen.problems.push(problem);
  for (const tenant of tenants) {
    const entries = (await node.ledger.list(tenant, { limit: 10_000 })).toReversed();
    const byId = new Map(entries.map((each) => [each.entry.id, each]));
    checkOrder(entries, byId, say);
    checkIntents(entries, byId, say);
    const open = await openOf(store, tenant);
    for (const { entry } of entries) {
      seen.ways.add(resolvedBy(entry)?.by ?? "none");
      if (entry.run !== null && store.database.keyedTable("run").get({ run: entry.run }) === null)
        say(`${entry.id} is of run ${entry.run}, which does not exist`);
    }
    checkOpen(open, byId, say);
    checkSteps(entries, byId, say);
    await checkApprovals({ tenant, entries, byId, seen, store, node, say });
    await checkPayloads(entries, byId, node, intents, say);
  }
  checkSent(sent, intents, say);
  checkClaims(await claimsOf(store), say);
  const report = await verifyLedger(store, {
    openPayload: (entry, sealed) => openPayload(node.keys, entry, sealed),
  });
  if (!report.isIntact)
    say(`the ledger is broken: ${JSON.stringify(report.tenants.map((each) => each.broken))}`);
  for (const { tenant, tail } of report.tenants)
    if (tail.entries > 0) say(`${tail.entries} entries of ${tenant} were never sequenced`);
  for (const trouble of node.troubles) say(`trouble of our own: ${String(trouble)}`);
}

type Say = (problem: string) => void;
type ById = ReadonlyMap<EntryId, LedgerEntry>;

/** Every entry stands behind the one it follows. */
function checkOrder(entries: readonly LedgerEntry[], byId: ById, say: Say): void {
  for (const { entry, cursor } of entries) {
    if (entry.after === null) continue;
    const before = byId.get(entry.after);
    if (before === undefined) say(`${entry.id} follows ${entry.after}, which is not there`);
    else if (before.cursor >= cursor) say(`${entry.id} stands before ${entry.after}, which it follows`);
  }
}

/** What claims the step: what people are asked, else the intent. */
const isFirstOfCall = ({ id, kind, call }: Entry, byId: ById): boolean =>
  kind === "request" ? id.endsWith(":a1") : kind === "intent" && !byId.has(`${call}:a1` as EntryId);

const nth = (call: string | null, n: number) => `${call}:${n}` as EntryId;

function checkIntents(entries: readonly LedgerEntry[], byId: ById, say: Say): void {
  for (const { entry } of entries) {
    if (entry.kind !== "intent") continue;
    const outcome = byId.get(nth(entry.call, 1))?.entry;
    if (outcome?.kind !== "outcome") say(`the intent ${entry.id} has no outcome`);
    else if (outcome.after !== entry.id) say(`${outcome.id} does not follow its intent`);
  }
}

async function openOf(store: MemoryStore, tenant: Entry["tenant"]): Promise<OpenCall[]> {
  const lists = await Promise.all(
    (["pending", "waiting", "dispatched", "unknown"] as const).map((state) =>
      listOpenCalls(store, tenant, state, { limit: 10_000 }),
    ),
  );
  return lists.flat();
}

/** An open call is unknown, its entry says so, and nobody has resolved it; and the other way round. */
function checkOpen(open: readonly OpenCall[], byId: ById, say: Say): void {
  const ids = new Set(open.map(({ call }) => call));
  for (const { call, state, subject } of open) {
    if (state !== "unknown") say(`call ${call} of ${subject} is still ${state} after recovery`);
    if (byId.get(nth(call, 1))?.entry.outcome?.kind !== "unknown")
      say(`open call ${call} is not recorded as unknown`);
    if (byId.has(nth(call, 2))) say(`call ${call} is resolved and still open`);
  }
  for (const { entry } of byId.values()) {
    // A `read` without an intent is no open call, also one that asks about another.
    const isOwn = entry.call !== null && entry.after?.startsWith(`${entry.call}:`) === true;
    if (entry.outcome?.kind !== "unknown" || !isOwn || entry.call === null) continue;
    if (!ids.has(entry.call) && !byId.has(nth(entry.call, 2)))
      say(`unknown call ${entry.call} is not open any more`);
  }
}

/**
 * A step is entered again only after its call ended without effect, was released, or is stood for by the new one under its key; and the
 * first record of the new one says so.
 */
function checkSteps(entries: readonly LedgerEntry[], byId: ById, say: Say): void {
  const last = new Map<string, Entry>();
  for (const { entry } of entries) {
    if (!isFirstOfCall(entry, byId) || entry.run === null || entry.step === null) continue;
    const step = `${entry.run} ${entry.step}`;
    const earlier = last.get(step);
    last.set(step, entry);
    if (earlier === undefined) continue;
    const first = byId.get(nth(earlier.call, 1))?.entry;
    const second = byId.get(nth(earlier.call, 2))?.entry;
    const isAgain = second?.after === entry.id && isRepeatable(entry);
    const end = isAgain ? first : (second ?? first);
    const fits = isAgain ? ["unknown"] : ["failed", "refused"];
    if (!fits.includes(end?.outcome?.kind ?? "none"))
      say(`${entry.id} enters ${step} again after ${JSON.stringify(end?.outcome)}`);
    if (entry.after !== end?.id) say(`${entry.id} follows ${entry.after}, not ${String(end?.id)}`);
  }
  const reads = new Map<string, number>();
  for (const { entry } of entries) {
    if (entry.outcome?.kind !== "succeeded" || entry.kind !== "outcome" || entry.step === null) continue;
    const step = `${entry.run} ${entry.step}`;
    reads.set(step, (reads.get(step) ?? 0) + 1);
    if ((reads.get(step) ?? 0) > 1) say(`${step} has succeeded twice`);
  }
}

interface ClaimSeen {
  readonly call: string;
  readonly name: string;
  readonly state: string;
  readonly entry: Entry | null;
  readonly isCallOpen: boolean;
}

async function claimsOf({ database }: MemoryStore): Promise<ClaimSeen[]> {
  const rows = database.keyedTable("claim").list({ index: "key", limit: 10_000 });
  return rows.map((row) => {
    const call = row["call"] as string;
    const found = database.logTable("entry").get((row["outcomeEntry"] as string | null) ?? "");
    return {
      call,
      name: row["name"] as string,
      state: row["state"] as string,
      entry: found === null ? null : entryOfLeaf(found["leaf"] as string),
      isCallOpen: database.keyedTable("open_call").get({ call }) !== null,
    };
  });
}

function checkClaims(claims: readonly ClaimSeen[], say: Say): void {
  for (const { call, name, state, entry, isCallOpen } of claims) {
    const kind = entry?.outcome?.kind;
    if (state === "open") say(`the claim on ${name} by ${call} is open after recovery`);
    else if (entry === null) say(`the ${state} claim on ${name} names an entry that is not there`);
    else if (entry.call !== call)
      say(`the claim on ${name} by ${call} names an entry of ${String(entry.call)}`);
    else if (state === "final" && kind !== "succeeded" && kind !== "unknown")
      say(`${name} is bound by ${String(kind)}`);
    else if (state === "released" && kind !== "failed" && kind !== "refused")
      say(`${name} was released by ${String(kind)}`);
    if ((kind === "unknown") !== isCallOpen) say(`${name}: claim ${String(kind)}, call open: ${isCallOpen}`);
  }
}

/**
 * An intent was durable before the bytes left, and not longer ago than its dispatch-by allows. Of a call whose server had asked, the
 * intent is as old as its caller took to answer, or as all nodes were switched off.
 */
function checkSent(sent: readonly Sent[], intents: ReadonlyMap<string, readonly WallMs[]>, say: Say): void {
  const asked = new Set<string>();
  const times = new Map<string, number>();
  for (const { tool, argumentsText, at, rejected, asked: isAsked } of sent) {
    if (tool === "read") continue;
    const patienceMs = asked.has(argumentsText) ? Infinity : dispatchWindowMs;
    const isCovered = (intents.get(argumentsText) ?? []).some(
      (begun) => elapsedMs(at, begun) >= 0 && elapsedMs(at, begun) < patienceMs,
    );
    if (!isCovered) say(`${argumentsText} was sent without an intent that allowed it then`);
    if (tool !== "idempotent" && !rejected) times.set(argumentsText, (times.get(argumentsText) ?? 0) + 1);
    if (isAsked) asked.add(argumentsText);
  }
  for (const [argumentsText, count] of times) {
    const allowed = intents.get(argumentsText)?.length ?? 0;
    if (count > allowed) say(`${argumentsText} was carried out ${count} times by ${allowed} intents`);
  }
}

/** What is sealed opens, and is what the leaf commits to. */
async function checkPayloads(
  entries: readonly LedgerEntry[],
  byId: ById,
  node: SimulatedNode,
  intents: Map<string, WallMs[]>,
  say: Say,
): Promise<void> {
  const payloadOf = async (found: LedgerEntry | undefined): Promise<Payload | null> => {
    const opened = found === undefined ? null : await node.ledger.payload(found);
    return opened === null || opened.erased ? null : opened.payload;
  };
  for (const found of entries) {
    const { entry } = found;
    if (entry.kind !== "intent" && entry.kind !== "outcome" && entry.kind !== "resolve") continue;
    const own = await payloadOf(found);
    if (entry.kind === "intent" && own?.arguments !== undefined)
      intents.set(own.arguments, [...(intents.get(own.arguments) ?? []), entry.at]);
    // Of a call that ended while people were asked, there is only what they were asked.
    const first = byId.get(nth(entry.call, 0)) ?? byId.get(`${entry.call}:a1` as EntryId);
    const intent = own?.salt === undefined ? await payloadOf(first) : own;
    const commitments = { ...entry.commitments };
    if (Object.keys(commitments).length === 0) continue;
    if (intent?.salt === undefined) {
      say(`${entry.id} commits to something, and its salt is nowhere`);
      continue;
    }
    const salt = Buffer.from(intent.salt, "base64");
    const given = entry.kind === "resolve" ? undefined : intent.arguments;
    const expect = { arguments: own?.arguments ?? given, result: own?.result };
    for (const [name, text] of Object.entries(expect)) {
      if (text !== undefined && commitments[name] !== commitment(salt, text))
        say(`${entry.id}: ${name} is not what it commits to`);
    }
  }
}
