import type { EscalationKind } from "../../contract/index.ts";
import type { StoreMs } from "../base/index.ts";
import { msOf, storeMs } from "../base/index.ts";

/**
 * What a run stands in front of, under the step that waits.
 *  timer   the instant it wakes up
 *  signal  somebody who signals it by this name
 */
export type RunWait =
  | { readonly kind: "timer"; readonly step: string; readonly until: StoreMs }
  /** `until` null = for as long as the run is open. */
  | {
      readonly kind: "signal";
      readonly step: string;
      readonly signal: string;
      readonly until: StoreMs | null;
      /** Left out = it waits for no decision. */
      readonly escalation?: Escalation;
    };

/** Something that a run cannot go on without a person for. */
export interface Escalation {
  readonly about: EscalationKind;
  /** For whoever decides. */
  readonly reason: string;
}

/** As it stands in the run's row; null = it waits for nothing. */
export const waitsText = (waits: readonly RunWait[]): string | null =>
  waits.length === 0
    ? null
    : JSON.stringify(
        waits.map((wait) => ({ ...wait, until: wait.until === null ? null : msOf(wait.until) })),
      );

/** The cast names what `waitsText` wrote. */
export const waitsOf = (text: string | null): readonly RunWait[] =>
  text === null
    ? []
    : (JSON.parse(text) as readonly (Omit<RunWait, "until"> & { readonly until: number | null })[]).map(
        (wait) => ({ ...wait, until: wait.until === null ? null : storeMs(wait.until) }) as RunWait,
      );
