/**
 * RFC 8785 text of a JSON value: members sorted by UTF-16 code units, numbers and strings as JSON.stringify writes them, no space
 * between. What JSON does not carry (undefined, functions) is left out as JSON.stringify leaves it out.
 */
export function canonicalJson(value: unknown): string {
  return written(JSON.parse(JSON.stringify(value ?? null)) as Json);
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

function written(value: Json): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(written).join(",")}]`;
  // The narrowing of `Array.isArray` does not reach readonly arrays.
  const object = value as { readonly [name: string]: Json };
  const names = Object.keys(object).toSorted((a, b) => (a < b ? -1 : 1));
  return `{${names.map((name) => `${JSON.stringify(name)}:${written(object[name] as Json)}`).join(",")}}`;
}

/** SHA-256 of the canonical text, in hex. Only this leaves the process: what a step was made from stays here. */
export async function digestOf(value: unknown): Promise<string> {
  const text = canonicalJson(value);
  // Every runtime has the web's way, which in Node goes through another thread: a third of what a step costs its agent.
  const node = runtime.process?.getBuiltinModule?.("node:crypto");
  if (node !== undefined) return node.createHash("sha256").update(text, "utf8").digest("hex");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What is asked of Node here, where it is one. */
interface Sha256 {
  createHash(name: "sha256"): {
    update(text: string, encoding: "utf8"): { digest(encoding: "hex"): string };
  };
}

const runtime = globalThis as {
  readonly process?: { readonly getBuiltinModule?: (name: "node:crypto") => Sha256 | undefined };
};
