import { Fault } from "../base/index.ts";
import { remnantsOf } from "./given-up.ts";
import type { Table } from "./table.ts";

/** What a store keeps about its data: code of version N opens data of N and N-1, and of N+1 where that says it may. */
export interface DataVersion {
  readonly data: number;
  /** The oldest code that may open it. */
  readonly readerMin: number;
}

/** The newest data version these tables speak of. */
export function dataVersionOf(tables: readonly Table[]): number {
  const since = tables.flatMap((table) => [table.since, ...Object.values(table.columnsSince)]);
  return Math.max(1, ...since, ...remnantsOf(tables, Infinity).map((remnant) => remnant.since));
}

/**
 * The oldest code that may open the data once code of this version has. The version before can read and write what has only gained
 * tables, and columns that may be null. `found` null = the data begins with this code, and so without what it has given up.
 */
export function readerMinFor(
  tables: readonly Table[],
  codeVersion: number,
  found: DataVersion | null,
): number {
  if (found !== null && found.data === codeVersion) return found.readerMin;
  const givenUp = found === null ? remnantsOf(tables, codeVersion).map(({ since }) => since) : [];
  return Math.max(1, codeVersion - 1, found?.readerMin ?? 1, ...givenUp);
}

export function refuseVersion(found: DataVersion, codeVersion: number): void {
  const evidence = { dataVersion: found.data, readerMin: found.readerMin, codeVersion };
  if (codeVersion < found.readerMin) {
    const { data, readerMin } = found;
    const versions = readerMin === data ? `${data}` : `${readerMin} or ${data}`;
    throw new Fault(
      "store-version",
      `the data is of version ${data}, and no program below version ${readerMin} can work on it; this one is of version ${codeVersion}: use one of version ${versions}`,
      { evidence },
    );
  }
  if (codeVersion > found.data + 1) {
    throw new Fault(
      "store-version",
      `the data is of version ${found.data}; this program of version ${codeVersion} opens ${codeVersion - 1} and later: open it once with one of version ${found.data + 1}`,
      { evidence },
    );
  }
}
