import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ownRoutes } from "../edge/index.ts";
import { apiDescription, adminActions, routes } from "./routes.ts";
import { misfit, nameOf } from "../api/index.ts";
import type { Schema } from "../api/index.ts";

describe("the table of routes", () => {
  test.each(routes)("$method $path is complete", (route) => {
    expect(route.path).toMatch(/^(\/([a-z][a-z.-]*|\{[a-z]+\}))+$/);
    expect(route.summary).toMatch(/^[A-Z].{8,}[^.]$/);
    const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(new Set(Object.keys(route.params))).toEqual(new Set(inPath));
    expect(route.method === "GET" && route.body !== null).toBe(false);
    if (route.body !== null) expect(misfit(route.body, route.example, "example")).toBeNull();
    // Compiles every schema in strict mode.
    for (const schema of [
      ...Object.values(route.params),
      ...Object.values(route.query),
      route.answer.schema,
    ]) {
      misfit(schema, null, "value");
    }
  });

  test("every route but the description asks policy about an action of its own form", () => {
    const open = routes.filter(({ action }) => action === "public").map(({ path }) => path);
    expect(open).toEqual(["/openapi.json"]);
    for (const action of adminActions) expect(action).toMatch(/^admin\.[a-z]+\.[a-z]+(-[a-z]+)*$/);
  });

  test("whatever changes something is an act, and no two routes are the same", () => {
    const readers = new Set<string>(["admin.policy.check", "admin.policy.explain"]);
    for (const { method, action, kind } of routes) {
      if (method !== "GET") expect(kind, action).toBe(readers.has(action) ? "read" : "act");
    }
    const places = routes.map(({ method, path }) => `${method} ${path.replaceAll(/\{\w+\}/g, "{}")}`);
    expect(new Set(places).size).toBe(places.length);
    const actions = routes.map(({ action }) => action);
    expect(new Set(actions).size).toBe(actions.length);
  });

  test("a name in the description stands for one schema", () => {
    const byName = new Map<string, unknown>();
    const walk = (schema: unknown): void => {
      if (typeof schema !== "object" || schema === null) return;
      const name = nameOf(schema as Schema);
      if (name !== null) {
        expect(byName.get(name) ?? schema, name).toBe(schema);
        byName.set(name, schema);
      }
      Object.values(schema).forEach(walk);
    };
    for (const { answer, body } of routes) [answer.schema, body].forEach(walk);
    expect(byName.size).toBeGreaterThan(10);
  });

  test("docs/reference/openapi.json is what the table says; if not, run: node tools/generate-openapi.ts", () => {
    const file = join(import.meta.dirname, "../../docs/reference/openapi.json");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(JSON.parse(JSON.stringify(apiDescription)));
  });

  test("every reference in the description leads somewhere, and every operation has its own id", () => {
    const text = JSON.stringify(apiDescription);
    const { schemas } = (apiDescription as { components: { schemas: object } }).components;
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      expect(Object.keys(schemas)).toContain(name);
    }
    const ids = [...text.matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id);
    expect(ids).toHaveLength(routes.length + ownRoutes.length);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
