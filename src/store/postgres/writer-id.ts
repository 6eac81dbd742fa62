import type { Clock } from "../../base/index.ts";
import { newId, systemRandom } from "../../base/index.ts";

/** Of a writer, under which its row stands. The version of its code is part of it, so that whoever contracts the data sees who still needs what. */
export const newWriterId = (clock: Clock, codeVersion: number): string =>
  `${newId("wrt", clock.wall(), systemRandom)}/${codeVersion}`;

/** 0 = it was written by code that did not say. */
export const versionOfWriter = (id: string): number => Number(/\/(\d{1,9})$/.exec(id)?.[1] ?? 0);
