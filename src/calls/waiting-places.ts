import type { Bound, Leave } from "../dispatch/index.ts";
import type { House } from "./house.ts";
import type { Intended } from "./stages.ts";

interface Place {
  readonly leave: Leave;
  questions: number;
}

/** One place for a call, however many questions it has open. */
const places = new WeakMap<Intended, Place>();

/** Gives the place back when the call or its last question is over. null = too many wait already: its caller may not be asked now. */
export function waitForCaller(call: Intended, house: House): Leave | null {
  let place = places.get(call);
  if (place === undefined) {
    const leave = house.gate.tryEnter(waitingBounds(call, house));
    if (leave === null) return null;
    place = { leave, questions: 0 };
    places.set(call, place);
    // A question that its server gave up with the call is never answered.
    void call.whole().then(leave, leave);
  }
  const taken = place;
  taken.questions++;
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    if (--taken.questions > 0) return;
    places.delete(call);
    taken.leave();
  };
}

/**
 * A call that waits for its caller keeps its place at its server, because that place says how many requests the server can have open,
 * and this one is. People answer in minutes or never, so such calls may take only a part of the places: a caller half of a server's,
 * all callers together three quarters, and half of the node's. What is left is for calls that end by themselves.
 */
function waitingBounds({ principal, subject }: Intended, { limits }: House): readonly Bound[] {
  const { id, concurrencyMax } = subject.server;
  return [
    { key: `waiting at ${id} of ${principal.id}`, max: Math.max(1, Math.floor(concurrencyMax / 2)) },
    { key: `waiting at ${id}`, max: Math.max(1, concurrencyMax - Math.ceil(concurrencyMax / 4)) },
    { key: "waiting at any server", max: Math.max(1, Math.floor(limits.callsInFlightMax / 2)) },
  ];
}
