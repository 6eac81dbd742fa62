import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { RouteRow } from "./route.ts";
import type { Schema } from "./schema.ts";
import { misfit } from "./validate.ts";

/** Each parameter at most once, none that is unknown; numbers and flags become what their schema says. */
export function readQuery(text: string, route: RouteRow): Result<Readonly<Record<string, unknown>>> {
  const query: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const schema = Object.hasOwn(route.query, name) ? route.query[name] : undefined;
    if (schema === undefined) {
      const known = Object.keys(route.query);
      const hint = known.length === 0 ? "it takes none" : `known: ${known.join(", ")}`;
      return bad(`The query parameter ${JSON.stringify(name.slice(0, 60))} is not known here; ${hint}.`);
    }
    if (Object.hasOwn(query, name)) return bad(`The query parameter "${name}" stands twice.`);
    query[name] = typed(schema, value);
    const problem = misfit(schema, query[name], `query parameter "${name}"`);
    if (problem !== null) return refuse(problem);
  }
  return ok(query);
}

export function checkParams(params: Readonly<Record<string, string>>, route: RouteRow): Result<void> {
  for (const [name, schema] of Object.entries(route.params)) {
    const problem = misfit(schema, params[name], `path's "${name}"`);
    if (problem !== null) return refuse(problem);
  }
  return ok(undefined);
}

function typed(schema: Schema, value: string): unknown {
  if (schema["type"] === "integer" && /^-?\d{1,15}$/.test(value)) return Number(value);
  if (schema["type"] === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value; // what does not look like its type is left for the schema to refuse
}

const bad = (detail: string): Result<never> => refuse({ code: "invalid-params", detail });
