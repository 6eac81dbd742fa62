import type { Schema } from "./schema.ts";
import { configSchema } from "./schema.ts";

/** The schema as it is published for editors: `docs/reference/signalbox.schema.json`. */
export const schemaText = (): string => `${JSON.stringify(configSchema, null, 2)}\n`;

/** The reference page: `docs/reference/configuration.md`. */
export function referenceText(): string {
  const lines = [
    "# Configuration",
    "",
    "<!-- Generated from src/app/config/schema.ts by tools/generate-reference.ts. -->",
    "",
    `\`signalbox.yaml\` says how a node starts, and which servers and policies it is given. It is read once, at the start. Unknown settings are refused, and all problems are reported together.`,
    "",
    "Point your editor at the schema: `# yaml-language-server: $schema=docs/reference/signalbox.schema.json`.",
    "",
    "Any text may contain `${env:NAME}`, which is replaced by the environment variable when the file is read. In `env`, `headers` and the secrets of `auth` of a server, as the `secret` of a webhook, in `env`, `secret` and `kubernetes.token` of a hook, and in `env` of an agent, a value may be `${vault:name}`, which stays a reference until the moment of use. `$${` is a literal `${`. Anchors, aliases and tags are refused.",
    "",
  ];
  for (const [name, schema] of Object.entries(configSchema.properties ?? {})) section(lines, name, schema);
  return `${lines.join("\n").trimEnd()}\n`;
}

function section(lines: string[], name: string, schema: Schema): void {
  lines.push(`## ${name}`, "", schema.description ?? "", "");
  if (schema.properties !== undefined) table(lines, `${name}.`, schema.properties);
  else if (typeof schema.additionalProperties === "object") {
    const server = schema.additionalProperties;
    lines.push(server.description ?? "", "");
    table(lines, `${name}.<name>.`, server.properties ?? {});
  } else table(lines, "", { [name]: schema });
}

function table(lines: string[], prefix: string, properties: Readonly<Record<string, Schema>>): void {
  lines.push("| setting | meaning | unit | default | bounds | reason |", "|---|---|---|---|---|---|");
  const nested: [string, Readonly<Record<string, Schema>>][] = [];
  for (const [name, schema] of Object.entries(properties)) {
    const cells = [
      `\`${prefix}${name}\``,
      schema.description,
      schema["x-unit"],
      schema.default === undefined ? "none" : `\`${JSON.stringify(schema.default)}\``,
      bounds(schema),
      schema["x-reason"],
    ];
    lines.push(`| ${cells.map((cell) => (cell ?? "").replaceAll("|", "\\|")).join(" | ")} |`);
    const inner = schema.additionalProperties;
    if (typeof inner === "object" && inner.properties !== undefined) {
      nested.push([`${prefix}${name}.<${name === "tools" ? "tool" : "name"}>.`, inner.properties]);
    } else if (schema.properties !== undefined) {
      nested.push([`${prefix}${name}.`, schema.properties]);
    }
  }
  lines.push("");
  for (const [innerPrefix, inner] of nested) table(lines, innerPrefix, inner);
}

function bounds(schema: Schema): string {
  const range = schema["x-bounds"];
  if (range !== undefined) return `${range.min} to ${range.max}`;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  if (schema.minimum !== undefined) return `${schema.minimum} to ${schema.maximum}`;
  if (schema.maxItems !== undefined) return `at most ${schema.maxItems} entries`;
  if (schema.maxProperties !== undefined) return `at most ${schema.maxProperties} entries`;
  if (schema.maxLength !== undefined) return `${schema.minLength ?? 0} to ${schema.maxLength} characters`;
  return schema.type === "boolean" ? "`true`, `false`" : "";
}
