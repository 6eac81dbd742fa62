type JsonObject = Readonly<Record<string, unknown>>;

/** The Skills extension (SEP-2640). */
export const skillsExtension = "io.modelcontextprotocol/skills";

export interface OfferedSkills {
  /** Whether directories can be read (`resources/directory/read`). */
  readonly directories: boolean;
}

/** What a server's `capabilities` say of skills; null = it does not offer the extension. */
export function skillsIn(capabilities: JsonObject): OfferedSkills | null {
  const { extensions } = capabilities;
  const settings = isObject(extensions) ? extensions[skillsExtension] : undefined;
  return isObject(settings) ? { directories: settings["directoryRead"] === true } : null;
}

/** Directories above a skill's files. Deeper ones are no folders of documents, and each costs a look-up. */
const segmentsMax = 32;
const manifest = "/SKILL.md";

/** The directory of a skill, by the URI of its `SKILL.md`. null = it is none, or nested too deep. */
export function skillRoot(uri: string): string | null {
  const root = uri.endsWith(manifest) ? uri.slice(0, -manifest.length) : "";
  return root === "" || root.endsWith("/") || root.split("/").length > segmentsMax ? null : root;
}

export const manifestIn = (directory: string): string => `${directory}${manifest}`;

/** The URI itself and the directories above it, the nearest first. */
export function directoriesOf(uri: string): readonly string[] {
  const found: string[] = [];
  for (let end = uri.indexOf("/"); end !== -1 && found.length < segmentsMax; end = uri.indexOf("/", end + 1))
    found.push(uri.slice(0, end));
  return [uri, ...found.reverse()];
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
