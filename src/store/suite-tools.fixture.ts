import type { Clock } from "../base/index.ts";
import type { Store, Table } from "./index.ts";

/** What a store has to be opened with for the suite. A place outlives the stores on it: a directory, a database. */
export interface SuitePlace {
  open(options: { tables: readonly Table[]; clock: Clock; waitingMax?: number }): Store;
  remove(): Promise<void>;
}

/** What the parts of the suite are given. All that they open is stopped, and its place removed, after each test. */
export interface SuiteTools {
  readonly newPlace: () => Promise<SuitePlace>;
  /** A store at work on this place; one on a new place. */
  readonly openAt: (at: SuitePlace, more?: { clock?: Clock; waitingMax?: number }) => Promise<Store>;
  readonly open: (more?: { clock?: Clock; waitingMax?: number }) => Promise<Store>;
  /** Of what the store has of owner `o`. */
  readonly names: (store: Store) => Promise<string[]>;
}
