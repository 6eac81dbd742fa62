import { Fault } from "../base/index.ts";
import type { Table } from "./table.ts";

/** What a store keeps about its data: code of version N opens data of N and N-1, and of N+1 where that says it may. */
export interface DataVersion {
  readonly data: number;
  /** The oldest code that may open it. */
  readonly readerMin: number;
}

/** The newest data version these tables speak of. */
export function dataVersionOf(tables: readonly Table[]): number {
  return Math.max(1, ...tables.flatMap((table) => [table.since, ...Object.values(table.columnsSince)]));
}

export function refuseVersion(found: DataVersion, codeVersion: number): void {
  const evidence = { dataVersion: found.data, readerMin: found.readerMin, codeVersion };
  if (codeVersion < found.readerMin) {
    throw new Fault(
      "store-version",
      `the data is of version ${found.data}; this program reads up to ${codeVersion + 1} and is of version ${codeVersion}: use one of version ${found.readerMin} or ${found.data}`,
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
