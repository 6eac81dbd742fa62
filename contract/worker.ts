import type { ExhaustionPolicy } from "./runs.ts";

/** Between a node and the process in which it has an agent's runs driven: one message each, over the process's own channel. */
export type WorkerOrder =
  /** Once, at first. */
  | {
      readonly kind: "serve";
      readonly agent: string;
      readonly version: string;
      /** An absolute path. */
      readonly module: string;
      /** Of the node. */
      readonly url: string;
      readonly token: string;
      /** null = the agent compacts if it can, else people are asked. */
      readonly onContextExhausted: ExhaustionPolicy | null;
    }
  /** In place of the one before, which ends soon. `owner` null = the agent's own. */
  | { readonly kind: "token"; readonly owner: string | null; readonly token: string }
  /** `order` names this start, should the same run be driven twice. `owner` null = a run of the agent's own. */
  | {
      readonly kind: "drive";
      readonly order: string;
      readonly run: string;
      readonly owner: { readonly id: string; readonly token: string } | null;
    };

export type WorkerReport =
  | { readonly kind: "serving" }
  /** The module cannot be used; the process ends. */
  | { readonly kind: "unusable"; readonly reason: string }
  /** Nothing of this start is left in the process. `trouble` null = its run has ended, or waits for something that will come. */
  | { readonly kind: "left"; readonly order: string; readonly trouble: string | null }
  /** Something went wrong that belongs to no run. */
  | { readonly kind: "trouble"; readonly reason: string };

/** The step under which a hosted run's input stands. */
export const inputStep = "signalbox:input";
