import { inspect } from "node:util";
import type { Code, Effect, Retry } from "../../contract/index.ts";
import { codes } from "../../contract/index.ts";

/** The world failed. Thrown. `retry` and `effect` come from the code's row unless the place that throws knows better. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: Code;
  readonly retry: Retry;
  readonly effect: Effect;
  readonly evidence: Readonly<Record<string, unknown>>;

  constructor(
    code: Code,
    message: string,
    options: {
      cause?: unknown;
      retry?: Retry;
      effect?: Effect;
      evidence?: Readonly<Record<string, unknown>>;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retry = options.retry ?? codes[code].retry;
    this.effect = options.effect ?? codes[code].effect;
    this.evidence = options.evidence ?? {};
  }
}

/** A bug of ours. Ends this unit of work; counted, never retried. */
class InvariantError extends Error {
  override readonly name = "InvariantError";
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Closes a switch: compiles only when every case is handled. */
export function unreachable(value: never): never {
  throw new InvariantError(`unhandled case: ${JSON.stringify(value)}`);
}

/** The only place where a thrown anything becomes ours. A Fault passes through; everything else is `internal`. */
export function faultFrom(thrown: unknown, doing: string): Fault {
  if (thrown instanceof Fault) return thrown;
  return new Fault("internal", doing, { cause: thrown });
}

/** The chain of messages, outermost first, for logs; what ends one is not said again. Bounded, because causes can be circular. */
export function explain(thrown: unknown): string {
  const parts: string[] = [];
  let current: unknown = thrown;
  for (let depth = 0; depth < 8 && current !== undefined && current !== null; depth++) {
    const said = current instanceof Error ? current.message : inspect(current, { depth: 1 });
    if (parts.at(-1)?.endsWith(said) !== true) parts.push(said);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(": ");
}
