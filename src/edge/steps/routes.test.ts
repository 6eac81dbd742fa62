import { describe, expect, test } from "vitest";
import { misfit } from "../../api/index.ts";
import { ownRoutes } from "./routes.ts";

describe("the table of what agents do with their own runs", () => {
  test.each(ownRoutes)("$method $path is complete", (route) => {
    expect(route.path).toMatch(/^\/runs\/\{name\}(\/([a-z][a-z.-]*|\{[a-z]+\}))+$/);
    expect(route.action).toMatch(/^own\.[a-z]+\.[a-z]+(-[a-z]+)*$/);
    expect(route.summary).toMatch(/^[A-Z].{8,}[^.]$/);
    const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(new Set(Object.keys(route.params))).toEqual(new Set(inPath));
    expect(route.method === "GET" && route.body !== null).toBe(false);
    if (route.body !== null) expect(misfit(route.body, route.example, "example")).toBeNull();
    // Compiles every schema in strict mode.
    for (const schema of [...Object.values(route.params), ...Object.values(route.query), route.answer.schema])
      misfit(schema, null, "value");
  });
});
