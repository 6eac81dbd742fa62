import fc from "fast-check";
import type { Transaction } from "./index.ts";
import {
  append,
  blob,
  blobOrNull,
  insert,
  integer,
  integerOrNull,
  keyedTable,
  logTable,
  remove,
  text,
  textOrNull,
  update,
} from "./index.ts";

/* What the stores of the suite hold, anything that can be done to it, and what that has to come to. */

export const items = keyedTable({
  name: "item",
  columns: {
    owner: text,
    name: text,
    size: integer,
    note: textOrNull,
    data: blobOrNull,
    rank: integerOrNull,
  },
  key: ["owner", "name"],
  unique: { note: ["note"], ranked: ["owner", "rank"] },
  indexes: { size: ["owner", "size"], rank: ["owner", "rank"] },
  sparse: ["rank"],
});
export const events = logTable({
  name: "event",
  columns: { id: text, tenant: text, body: blob, remark: textOrNull },
  id: "id",
  partition: "tenant",
});
export const tables = [items, events];
export const item = (
  name: string,
  more: Partial<{
    owner: string;
    size: number;
    note: string | null;
    data: Uint8Array | null;
    rank: number | null;
  }> = {},
) => ({
  owner: "o",
  name,
  size: 1,
  note: null,
  data: null,
  rank: null,
  ...more,
});
export const event = (id: string, tenant = "t") => ({
  id,
  tenant,
  body: new Uint8Array([1, 2]),
  remark: null,
});
/** To be compared: bytes as numbers. */
export const plain = (row: object | null): unknown =>
  row === null
    ? null
    : Object.fromEntries(
        Object.entries(row).map(([key, value]: [string, unknown]) => [
          key,
          value instanceof Uint8Array ? [...value] : value,
        ]),
      );

const small = fc.constantFrom("a", "b", "c");
const maybeNote = fc.option(fc.constantFrom("m", "n"), { nil: null });
const maybeRank = fc.option(fc.nat(2), { nil: null });
const key = fc.record({ owner: fc.constantFrom("o", "p"), name: small });
const arbitraryWrite = fc.oneof(
  fc
    .tuple(key, fc.nat(3), maybeNote, maybeRank)
    .map(([where, size, note, rank]) => insert(items, { ...where, size, note, rank, data: null })),
  fc
    .tuple(
      key,
      fc.record({ size: fc.nat(3), note: maybeNote, rank: maybeRank }, { requiredKeys: [] }),
      fc.option(fc.nat(3)),
    )
    .map(([where, set, size]) => update(items, where, set, size === null ? {} : { size })),
  fc
    .tuple(key, fc.option(maybeNote, { nil: undefined }))
    .map(([where, note]) => remove(items, where, note === undefined ? {} : { note })),
  fc.nat(8).map((id) => append(events, event(`e${id}`))),
);
export const arbitraryTransaction = fc.array(arbitraryWrite, { maxLength: 4 });

/** Rows that have keys, then a flush in which transactions let go of those keys and others want them, in any order. */
const arbitraryHandover = (owner: string): fc.Arbitrary<readonly (readonly Transaction[])[]> => {
  const places = [0, 1, 2, 3, 4, 5];
  const held = places.map((i) => insert(items, item(`held${i}`, { owner, note: `${owner}${i}`, rank: i })));
  const freeing = places.map((i) => {
    const where = { owner, name: `held${i}` };
    return fc.constantFrom(
      remove(items, where),
      remove(items, where, { size: 2 }),
      update(items, where, { note: null }),
      update(items, where, { rank: null, size: 2 }),
      update(items, where, { note: null, rank: null }),
      update(items, where, { size: 2 }),
    );
  });
  const wanted = fc.option(fc.constantFrom(...places), { nil: null });
  const taking = places.map((i) =>
    fc
      .tuple(wanted, wanted)
      .map(([note, rank]) =>
        insert(items, item(`new${i}`, { owner, note: note === null ? null : `${owner}${note}`, rank })),
      ),
  );
  const logging = places.map((i) => fc.constant(append(events, event(`${owner}${i}`))));
  return fc
    .tuple(fc.tuple(...freeing, ...taking, ...logging), fc.array(fc.integer({ min: 1, max: 3 })))
    .chain(([writes, sizes]) =>
      fc
        .shuffledSubarray(writes, { minLength: writes.length })
        .map((shuffled) => [[held], inTransactions(shuffled, sizes)]),
    );
};
/** Of so many writes each; what is left goes one by one. */
function inTransactions(writes: Transaction, sizes: readonly number[]): readonly Transaction[] {
  const transactions: Transaction[] = [];
  for (let at = 0; at < writes.length; at += transactions.at(-1)?.length ?? 1)
    transactions.push(writes.slice(at, at + (sizes[transactions.length] ?? 1)));
  return transactions;
}
export const arbitraryHandovers = fc
  .tuple(...["a", "b", "c", "d"].map(arbitraryHandover))
  .map((waves) => waves.flat());

type Item = ReturnType<typeof item>;

/** The rules of transactions, as plainly as they can be written. */
export class Model {
  private rows: Item[] = [];
  log: string[] = [];

  commit(transaction: Transaction): number {
    const rows = [...this.rows];
    const log = [...this.log];
    for (const [index, write] of transaction.entries()) {
      if (!this.apply(write)) {
        this.rows = rows;
        this.log = log;
        return index;
      }
    }
    return -1;
  }

  items(): readonly Item[] {
    return this.rows.toSorted((a, b) => (a.owner + a.name < b.owner + b.name ? -1 : 1));
  }

  private apply(write: Transaction[number]): boolean {
    switch (write.op) {
      case "append":
        if (this.log.includes(write.row.id as string)) return false;
        this.log.push(write.row.id as string);
        return true;
      case "insert":
        return this.put(write.row as unknown as Item, this.rows);
      case "update":
      case "delete": {
        const found = this.rows.find((row) => row.owner === write.key.owner && row.name === write.key.name);
        if (found === undefined) return false;
        const isExpected = Object.entries(write.expect).every(
          ([column, value]) => found[column as keyof Item] === value,
        );
        if (!isExpected) return false;
        const others = this.rows.filter((row) => row !== found);
        if (write.op === "update") return this.put({ ...found, ...write.set }, others);
        this.rows = others;
        return true;
      }
    }
  }

  private put(row: Item, others: readonly Item[]): boolean {
    const collides = others.some(
      (other) =>
        (other.owner === row.owner && other.name === row.name) ||
        (row.note !== null && other.note === row.note) ||
        (row.rank !== null && other.owner === row.owner && other.rank === row.rank),
    );
    if (!collides) this.rows = [...others, row];
    return !collides;
  }
}
