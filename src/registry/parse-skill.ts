import { bytesOf, isObject } from "./parse-definition.ts";
import { skillRoot } from "./skills.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** A host must accept 512 files in a skill (SEP-2640); a kilobyte for what an entry says of each. */
const skillBytesMax = 512 * 1024;
const nameMax = 64;
const descriptionMax = 1_024;
const compatibilityMax = 500;

/**
 * What is wrong with an entry of `skills/list`, by the rules of SEP-2640 and of Agent Skills; null = nothing. Clients refuse a whole
 * list for one entry that breaks them, so here such an entry is left out. `said` is JSON within bounds.
 */
export function skillProblem(said: JsonObject, uri: string): string | null {
  const { frontmatter, resources, _meta: meta } = said;
  const root = skillRoot(uri);
  if (root === null) return "the URI is not that of a SKILL.md in a directory of its own";
  // Policy decides about a URI as it is written, and servers resolve it: there must be one spelling.
  if (normal(uri) !== uri) return "the URI is not in its normal form";
  if (!isObject(frontmatter)) return "a skill has no frontmatter";
  if (meta !== undefined && !isObject(meta)) return "its _meta is not an object";
  const bytes = bytesOf(said);
  return (
    frontmatterProblem(frontmatter, lastSegment(root)) ??
    (resources === "dynamic" ? null : filesProblem(resources, uri, root)) ??
    (bytes > skillBytesMax ? `it is ${bytes} bytes; ${skillBytesMax} are allowed` : null)
  );
}

function frontmatterProblem(frontmatter: JsonObject, directory: string): string | null {
  const { name, description, compatibility, metadata } = frontmatter;
  if (typeof name !== "string" || name.length > nameMax || !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name))
    return `its name is not made of 1 to ${nameMax} small letters, digits and single hyphens`;
  if (name !== directory) return `its name is "${name}", and its directory another`;
  if (!isTextUpTo(description, descriptionMax))
    return `its description is not a text of 1 to ${descriptionMax} characters`;
  if (compatibility !== undefined && !isTextUpTo(compatibility, compatibilityMax))
    return `its compatibility is not a text of 1 to ${compatibilityMax} characters`;
  const isMap = isObject(metadata) && Object.values(metadata).every((value) => typeof value === "string");
  return metadata === undefined || isMap ? null : "its metadata does not map texts to texts";
}

/** All files of the skill, each once, `SKILL.md` among them, with digest and size. */
function filesProblem(files: unknown, manifest: string, root: string): string | null {
  if (!Array.isArray(files)) return 'its resources are neither a list nor "dynamic"';
  const seen = new Set<string>();
  let hasManifest = false;
  for (const file of files as readonly unknown[]) {
    const { uri, digest, size } = isObject(file) ? file : nothing;
    const path = typeof uri === "string" ? pathIn(root, uri) : null;
    if (path === null) return "one of its files is outside of its directory";
    if (seen.has(path)) return `its file "${path}" stands in it twice`;
    seen.add(path);
    hasManifest ||= normal(String(uri)) === manifest;
    if (typeof digest !== "string" || !/^sha256:[0-9a-f]{64}$/.test(digest))
      return `the digest of its file "${path}" is no SHA-256`;
    if (!Number.isSafeInteger(size) || (size as number) < 0) return `the size of its file "${path}" is none`;
  }
  return hasManifest ? null : `${manifest} is not among its files`;
}

const nothing: JsonObject = {};

/** Below the skill's directory, without escapes, so that two spellings of one file are the same. null = not below it. */
function pathIn(root: string, uri: string): string | null {
  const found = normal(uri);
  if (found === null || !found.startsWith(`${root}/`) || /[?#]/.test(found)) return null;
  const segments = found
    .slice(root.length + 1)
    .split("/")
    .map(unescaped);
  return segments.every(isFileName) ? segments.join("/") : null;
}

const isFileName = (segment: string): boolean =>
  segment !== "" && segment !== "." && segment !== ".." && !segment.includes("/") && !segment.includes("\0");

const normal = (uri: string): string | null => (URL.canParse(uri) ? new URL(uri).href : null);

const lastSegment = (root: string): string => unescaped(root.slice(root.lastIndexOf("/") + 1));

function unescaped(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Characters as the specification counts them: code points. */
const isTextUpTo = (value: unknown, max: number): boolean =>
  typeof value === "string" && value !== "" && value.length <= 2 * max && Array.from(value).length <= max;
