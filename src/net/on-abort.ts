/**
 * Many waiters may share one signal (a node's shutdown, a batch of one caller). One listener per signal serves them all, so
 * listeners never pile up and Node prints no warning; the returned function forgets the waiter. Not for what happens on every
 * call: see `deadline-sweep.ts`.
 */
export function onAbort(signal: AbortSignal, action: () => void): () => void {
  let waiters = waitersOf.get(signal);
  if (waiters === undefined) {
    waiters = new Set();
    waitersOf.set(signal, waiters);
  }
  if (waiters.size === 0) signal.addEventListener("abort", runWaiters, { once: true });
  waiters.add(action);
  const present = waiters;
  return () => {
    if (present.delete(action) && present.size === 0) signal.removeEventListener("abort", runWaiters);
  };
}

const waitersOf = new WeakMap<AbortSignal, Set<() => void>>();

function runWaiters(this: AbortSignal): void {
  const waiters = waitersOf.get(this);
  if (waiters === undefined) return;
  const actions = [...waiters];
  waiters.clear();
  for (const action of actions) action();
}
