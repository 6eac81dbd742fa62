import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { makeDirectories } from "../../base/index.ts";

/** Writes a file that only its owner may read. Readers see the old text or the new one, never half of it. */
export function writePrivateFile(file: string, text: string): void {
  makeDirectories(dirname(file), 0o700);
  const fresh = `${file}.new`;
  // Made anew, so that neither a link nor looser rights of an earlier one are taken over.
  rmSync(fresh, { force: true });
  writeNewPrivateFile(fresh, text);
  renameSync(fresh, file);
}

/** Throws EEXIST when there is one already. */
export function writeNewPrivateFile(file: string, text: string): void {
  const handle = openSync(file, "wx", 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

export type PrivateText =
  | { readonly kind: "found"; readonly text: string }
  | { readonly kind: "none" }
  | { readonly kind: "unsafe"; readonly why: string };

/** Reads a file only if nobody else could have read or written it. */
export function readPrivateFile(file: string, charactersMax: number): PrivateText {
  try {
    const found = lstatSync(file);
    if (!found.isFile()) return { kind: "unsafe", why: "it is not a plain file" };
    const own = process.getuid?.(); // no such thing on Windows, where the folder's rights decide
    if (own !== undefined && found.uid !== own) return { kind: "unsafe", why: "it belongs to somebody else" };
    if (own !== undefined && (found.mode & 0o077) !== 0) return { kind: "unsafe", why: "others may read it" };
    if (found.size > charactersMax) return { kind: "unsafe", why: `it is ${found.size} bytes long` };
    return { kind: "found", text: readFileSync(file, "utf8") };
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "none" };
    return { kind: "unsafe", why: `it cannot be read (${code})` };
  }
}
