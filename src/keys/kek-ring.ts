import { Fault } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import { Kek } from "./kek.ts";
import { scopeKeyTable, signingKeyTable } from "./tables.ts";

/** More than one rotation at a time is a mistake; eight leaves room for several that were broken off. */
const keksMax = 8;

/** The key-encryption key in use, and older ones that still open what a rotation has not reached. */
export class KekRing {
  private readonly byId = new Map<string, Kek>();
  private inUse: Kek;

  constructor(current: Uint8Array, previous: readonly Uint8Array[]) {
    this.inUse = new Kek(current);
    for (const bytes of previous.slice(0, keksMax)) this.add(new Kek(bytes));
    this.add(this.inUse);
  }

  get current(): Kek {
    return this.inUse;
  }

  /** From now on new keys are wrapped by this one; the others still open theirs. */
  use(next: Kek): void {
    this.add(next);
    this.inUse = next;
  }

  withId(id: string, what: string): Kek {
    const kek = this.byId.get(id);
    if (kek === undefined) throw wrongKek(id, [...this.byId.keys()], what);
    return kek;
  }

  /** Rejects when the store holds anything wrapped by a key we were not given: at start, not at the first call that needs it. */
  async check(store: Pick<Store, "list">): Promise<void> {
    for (const row of await store.list(signingKeyTable, { index: "key", limit: 16 })) {
      this.withId(row.kek, `signing key "${row.name}"`);
    }
    let after = "";
    for (let seen = 0; seen <= keksMax; seen++) {
      const [row] = await store.list(scopeKeyTable, { index: "kek", after, limit: 1 });
      if (row === undefined) return;
      this.withId(row.kek, "data keys");
      after = row.kek;
    }
  }

  private add(kek: Kek): void {
    this.byId.set(kek.id, kek);
  }
}

function wrongKek(needed: string, given: readonly string[], what: string): Fault {
  return new Fault(
    "config-invalid",
    `keys of this data (${what}) were sealed under key-encryption key ${needed}, and what was given is ${given.join(", ")}: ` +
      `give the key that belongs to this data (keys.file), and while keys are being changed both (keys.otherFiles). ` +
      `Nothing was changed; without that key the sealed data cannot be read`,
    { evidence: { needed, given } },
  );
}
