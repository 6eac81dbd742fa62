import { Script, createContext } from "node:vm";

/** Beyond this many tries it is not the machine that is slow. */
const triesMax = 3;

let stage: {
  readonly box: { work: (() => unknown) | null };
  readonly run: (timeoutMs: number) => unknown;
} | null = null;

/**
 * Runs work that does not wait for anything, and ends it from outside when it takes longer than this: null. For what strangers' data
 * can make endless. The work may be ended between any two of its steps, so whatever it changes is to be thrown away then; it is begun
 * again when the machine had no time for it, and it must not use this itself. Costs 80 µs.
 */
export function interruptible<T>(timeoutMs: number, work: () => T): { readonly value: T } | null {
  for (let attempt = 1; ; attempt++) {
    const before = process.threadCpuUsage();
    try {
      return { value: onStage(timeoutMs, work) };
    } catch (thrown) {
      if (!isTimeout(thrown)) throw thrown;
    }
    const { user, system } = process.threadCpuUsage(before);
    const wasBusy = (user + system) / 1000 >= timeoutMs / 2;
    if (wasBusy || attempt >= triesMax) return null;
  }
}

function onStage<T>(timeoutMs: number, work: () => T): T {
  if (stage === null) {
    const box: { work: (() => unknown) | null } = { work: null };
    const context = createContext(box);
    const script = new Script("work()");
    stage = { box, run: (timeout) => script.runInContext(context, { timeout }) as unknown };
  }
  const { box, run } = stage;
  box.work = work;
  try {
    return run(timeoutMs) as T; // what `work` returns
  } finally {
    box.work = null;
  }
}

/** It comes from another context, whose errors are none of our `Error`. */
const isTimeout = (thrown: unknown): boolean =>
  typeof thrown === "object" &&
  thrown !== null &&
  "code" in thrown &&
  thrown.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
