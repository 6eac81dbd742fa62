import type { Recovery } from "./model-step.ts";
import type { Step } from "./step.ts";

/** An agent whose runs a node starts, drives and parks: the default export of its module. */
export interface Agent<Input = unknown, Output = unknown> extends Pick<
  Recovery,
  "compact" | "compactionsMax" | "escalationMs"
> {
  /** As the node's configuration calls it. */
  readonly name: string;
  /** Runs stay with the version they began with. Change it with everything that changes steps. */
  readonly version: string;
  /** The same program at every start, as with `connect`: what it does outside of steps it does again. */
  readonly run: (step: Step, input: Input) => Promise<Output>;
}

/** Gives back what it is given, with its types checked. */
export const defineAgent = <Input = unknown, Output = unknown>(
  agent: Agent<Input, Output>,
): Agent<Input, Output> => agent;
