import { Fault } from "../base/index.ts";
import type { DataVersion } from "./data-version.ts";
import { refuseVersion } from "./data-version.ts";
import type { Remnant } from "./given-up.ts";
import { remnantsOf } from "./given-up.ts";
import type { Table } from "./table.ts";

export interface ContractOrder {
  readonly tables: readonly Table[];
  /** Only look: nothing is changed. */
  readonly isDry: boolean;
  /** Each is gone for good when it is told. */
  readonly onRemoved?: (remnant: Remnant) => void;
}

/** What contracting the data removes, or has removed. */
export interface Contraction {
  readonly dataVersion: number;
  /** The oldest code that may open the data: before, and once all of it is removed. */
  readonly readerMin: number;
  readonly readerMinAfter: number;
  /** In the order of their removal. */
  readonly remnants: readonly Remnant[];
  /** Nodes at work that still need it. With any of them, nothing is removed. */
  readonly olderNodes: number;
}

/** What the data has, in the words of its store. */
export interface Present {
  readonly columns: ReadonlyMap<string, ReadonlySet<string>>;
  /** `table.name` each. */
  readonly indexes: ReadonlySet<string>;
}

/** Throws `store-version` where another program has to do it. */
export function contractionOf(
  found: DataVersion,
  codeVersion: number,
  tables: readonly Table[],
  present: Present,
): Omit<Contraction, "olderNodes"> {
  refuseVersion(found, codeVersion);
  if (found.data !== codeVersion)
    throw new Fault(
      "store-version",
      found.data < codeVersion
        ? `the data is of version ${found.data}, and no node of version ${codeVersion} has worked on it yet: replace its nodes first`
        : `the data is of version ${found.data}: have it contracted by a program of that version`,
      { evidence: { dataVersion: found.data, codeVersion } },
    );
  const remnants = remnantsOf(tables, codeVersion).filter((remnant) => isThere(remnant, present));
  const readerMinAfter = Math.max(found.readerMin, ...remnants.map(({ since }) => since));
  return { dataVersion: found.data, readerMin: found.readerMin, readerMinAfter, remnants };
}

function isThere({ kind, table, name }: Remnant, { columns, indexes }: Present): boolean {
  if (kind === "index") return indexes.has(`${table}.${name}`);
  const has = columns.get(table) ?? new Set();
  return kind === "column" ? has.has(name) : has.size > 0;
}
