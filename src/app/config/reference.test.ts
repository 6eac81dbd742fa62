import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { referenceText, schemaText } from "./reference.ts";
import type { Schema } from "./schema.ts";
import { configSchema } from "./schema.ts";

const docs = join(import.meta.dirname, "../../../docs/reference");
const stale = "run: node tools/generate-reference.ts";

test("the published schema is the one we validate with", () => {
  const published: unknown = JSON.parse(readFileSync(join(docs, "signalbox.schema.json"), "utf8"));
  expect(published, stale).toEqual(JSON.parse(schemaText()));
});

test("the reference page says what the schema says", () => {
  expect(readFileSync(join(docs, "configuration.md"), "utf8") === referenceText(), stale).toBe(true);
});

test("every setting has a description, a unit, a reason and a bound", () => {
  const wrong: string[] = [];
  const visit = (path: string, schema: Schema): void => {
    const inner = typeof schema.additionalProperties === "object" ? schema.additionalProperties : null;
    const children = Object.entries(schema.properties ?? {});
    for (const [name, child] of children) visit(`${path}.${name}`, child);
    if (inner !== null && inner.properties !== undefined) visit(`${path}.*`, inner);
    if (schema.description === undefined) wrong.push(`${path}: description`);
    if (children.length > 0 || path === ".servers") return;
    if (schema["x-unit"] === undefined) wrong.push(`${path}: unit`);
    if (schema["x-reason"] === undefined) wrong.push(`${path}: reason`);
    const bounds = ["enum", "maximum", "x-bounds", "maxLength", "maxItems", "maxProperties"];
    if (schema.type !== "boolean" && !bounds.some((bound) => schema[bound] !== undefined)) {
      wrong.push(`${path}: bound`);
    }
  };
  visit("", configSchema);
  expect(wrong).toEqual([]);
});
