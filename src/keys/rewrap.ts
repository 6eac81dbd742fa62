import type { Random } from "../base/index.ts";
import type { Change, Store, Write } from "../store/index.ts";
import { update } from "../store/index.ts";
import { Kek } from "./kek.ts";
import type { KekRing } from "./kek-ring.ts";
import { purposeOf } from "./scope-keys.ts";
import { signingPurpose } from "./signing-keys.ts";
import { scopeKeyTable, signingKeyTable } from "./tables.ts";

/** Half of what a transaction may hold, so that the act's own entry always fits beside. */
const rowsPerChange = 256;

export async function* rewrapped(
  newKek: Uint8Array,
  ring: KekRing,
  sources: { readonly store: Store; readonly random: Random },
): AsyncGenerator<Change<number>> {
  const { store, random } = sources;
  const next = new Kek(newKek);
  ring.use(next);

  const signing = (await store.list(signingKeyTable, { index: "key", limit: 16 })).filter(
    (row) => row.kek !== next.id,
  );
  if (signing.length > 0) {
    yield change(
      signing.map(({ name, kek, wrapped }) => {
        const purpose = signingPurpose(name);
        const moved = next.wrap(ring.withId(kek, "signing keys").unwrap(wrapped, purpose), purpose, random);
        return update(signingKeyTable, { name }, { kek: next.id, wrapped: moved }, { kek });
      }),
    );
  }

  let after = "";
  for (;;) {
    const rows = await store.list(scopeKeyTable, { index: "key", after, limit: rowsPerChange });
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.scope;
    const stale = rows.filter((row) => row.kek !== next.id);
    if (stale.length === 0) continue;
    yield change(
      stale.map(({ scope, id, kek, wrapped }) => {
        const purpose = purposeOf(scope, id);
        const moved = next.wrap(ring.withId(kek, "data keys").unwrap(wrapped, purpose), purpose, random);
        // Guarded by the key's id: a scope erased meanwhile makes the change fail, and the caller asks again.
        return update(scopeKeyTable, { scope }, { kek: next.id, wrapped: moved }, { id, kek });
      }),
    );
  }
}

const change = (writes: readonly Write[]): Change<number> => ({
  writes,
  value: writes.length,
  applied: () => {},
});
