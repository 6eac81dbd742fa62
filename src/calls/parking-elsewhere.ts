import { deadlineIn, delay, msOf, remainingMs } from "../base/index.ts";
import { leaseOf } from "../store/index.ts";
import type { CallAnswer } from "./call.ts";
import { entryId } from "./entries.ts";
import { nodeLeaseName } from "./node-lease-name.ts";
import type { House } from "./house.ts";
import type { ParkedAt } from "./round.ts";
import type { Planned } from "./stages.ts";
import type { Patience } from "./within-time.ts";
import { stillOpen } from "./within-time.ts";

/** Between two looks at the store, on both sides; only while a call is parked. */
export const letterPollMs = 100;
/** Letters of other nodes taken in one look. */
const lettersPerLook = 64;

interface Letter {
  /** The parked call's, once more: the key beside it is not sealed. */
  readonly park: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly answerTo: string;
  /** How long somebody waits for the answer. */
  readonly waitMs: number;
}

/**
 * The caller's answers arrived here, and the call is parked on another node: they go there by a store signal, and what comes next
 * comes back by another. Both are kept until they are taken. null = the call has ended, or that node has gone and with it the call's
 * connection: the record says which.
 */
export async function askElsewhere(
  park: ParkedAt,
  inputs: Readonly<Record<string, unknown>>,
  call: Planned,
  house: House,
): Promise<CallAnswer | null> {
  const patience: Patience = { deadline: call.deadline, signal: call.input.signal };
  const answerTo = `parked-answer/${park.id}/${call.input.requestId}`;
  // The other node gives up a little sooner, so that its answer is not left behind.
  const waitMs = Math.max(0, remainingMs(house.clock, call.deadline) - 2 * letterPollMs);
  const letter: Letter = { park: park.id, inputs, answerTo, waitMs };
  const topic = letterTopic(park.node, park.fence);
  const payload = await sealed(letter, house);
  await house.store.putSignal({ topic, key: `${park.id}/${call.input.requestId}`, payload });
  for (;;) {
    // Read before the answer is looked for: the end of a call is on record before its answer leaves.
    const isOver = (await house.ledger.entry(call.principal.tenant, entryId(call.id, 1))) !== null;
    const [answer] = await house.store.takeSignals(answerTo, 1);
    if (answer !== undefined) return opened(answer.payload, house);
    if (isOver) return null;
    if (patience.signal?.aborted === true || remainingMs(house.clock, patience.deadline) === 0)
      return stillOpen(patience);
    if (!(await isHeld(park, house))) {
      await house.store.takeSignals(topic, lettersPerLook); // nobody reads them any more
      return null;
    }
    await delay(house.clock, letterPollMs);
  }
}

/** Takes what other nodes were given for calls that are parked here. Runs as long as there are any. */
export async function readLetters(house: House): Promise<void> {
  const topic = letterTopic(house.node.name, house.node.fence);
  for (const { payload } of await house.store.takeSignals(topic, lettersPerLook))
    void reply(payload, house).catch((thrown: unknown) => house.onTrouble("answering another node", thrown));
}

async function reply(payload: string, house: House): Promise<void> {
  const letter: Letter = await opened(payload, house);
  const patience: Patience = { deadline: deadlineIn(house.clock, letter.waitMs), signal: null };
  const answer = await house.parking.take(letter.park, letter.inputs, patience, house);
  // A call that has ended is on record, and the other node looks there.
  if (answer === null) return;
  await house.store.putSignal({
    topic: letter.answerTo,
    key: "answer",
    payload: await sealed(answer, house),
  });
}

const letterTopic = (node: string, fence: number): string => `parked/${node}/${fence}`;

/** The lease of the call's node is still held with that very fence: it may be slow, and is not dead. */
export async function isHeld(park: ParkedAt, house: House): Promise<boolean> {
  const lease = await leaseOf(house.store, nodeLeaseName(park.node));
  return lease?.fence === park.fence && msOf(lease.expiresAt) > msOf(await house.store.now());
}

const scope = "parked-letters";

/** What people typed and what tools answered does not lie about in the store in the open. */
async function sealed(value: unknown, house: House): Promise<string> {
  const key = await house.keys.scopeKey(scope);
  return Buffer.from(house.keys.seal(key, JSON.stringify(value), scope)).toString("base64");
}

async function opened<T>(text: string, house: House): Promise<T> {
  const key = await house.keys.scopeKey(scope);
  const bytes = house.keys.open(key, Buffer.from(text, "base64"), scope);
  return JSON.parse(Buffer.from(bytes).toString("utf8")) as T; // sealed by one of our nodes
}
