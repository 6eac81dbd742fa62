import { blob, integer, keyedTable, text } from "../store/index.ts";

/** Data keys per scope, wrapped by a key-encryption key. Deleting the row is how a scope is erased. */
export const scopeKeyTable = keyedTable({
  name: "key_scope",
  key: ["scope"],
  indexes: { kek: ["kek", "scope"] },
  columns: {
    scope: text,
    id: text, // hex; a scope used again after erasure has another
    kek: text, // id of the key that wrapped it
    wrapped: blob,
    createdAt: integer, // wall ms
  },
});

/** Ed25519 keys; the private half is wrapped, the public one is not secret. */
export const signingKeyTable = keyedTable({
  name: "key_signing",
  key: ["name"],
  columns: {
    name: text,
    kek: text,
    public: blob, // 32 bytes
    wrapped: blob, // PKCS #8 of the private key
    createdAt: integer, // wall ms
  },
});

export const keyTables = [scopeKeyTable, signingKeyTable] as const;
