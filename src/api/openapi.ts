import { codes } from "../../contract/index.ts";
import { apiPrefix } from "./match.ts";
import type { RouteRow } from "./route.ts";
import type { Schema } from "./schema.ts";
import { listOf, nameOf, object, objectWith, text } from "./schema.ts";

type Json = Readonly<Record<string, unknown>>;

/** Grows with the API's shape, not with the product. */
const apiVersion = "1.0.0";

const errorBody = object({
  error: objectWith(["code", "cause", "retry", "effect", "message", "detail", "requestId"], {
    code: { enum: Object.keys(codes) },
    cause: { enum: ["caller", "policy", "overload", "dependency", "correctness"] },
    retry: { enum: ["now", "later", "never"], description: "whether the same request may help" },
    effect: { enum: ["none", "unknown", "done"], description: "what has happened" },
    message: { type: "string", description: "the code's own sentence" },
    detail: { type: "string", description: "the particulars" },
    requestId: text,
    problems: {
      ...listOf({}),
      description: "everything that is wrong with what was sent, where that is a list",
    },
  }),
});

/** OpenAPI 3.1 of the whole table: the same bytes for the same table. */
export function openApi(routes: readonly RouteRow[]): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  const shared = new Map<string, unknown>();
  for (const route of routes) {
    const operations = (paths[route.path] ??= {});
    operations[route.method.toLowerCase()] = operation(route, shared);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Signalbox",
      version: apiVersion,
      summary: "The HTTP API behind console and command line, and that of agents for their own runs.",
      description:
        "Every administrative route names the action that policy is asked about, with the caller's tenant as resource; its acts are recorded in the ledger and answer with a receipt, and refusals are recorded too. Routes for an agent's own runs ask for its token, and for nothing else: they have no effect outside the run.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: apiPrefix }],
    security: [{ bearer: [] }],
    tags: [...new Set(routes.map(tagOf))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Error: errorBody, ...Object.fromEntries(shared) },
      responses: {
        Error: {
          description: "Why not; see the code's row in the reference",
          content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
        },
      },
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "an API key (`sbk_…`) or a token of the built-in issuer",
        },
      },
    },
  };
}

function operation(route: RouteRow, shared: Map<string, unknown>): Json {
  const { action, answer, body, example, notes, params, query, summary } = route;
  const asked = askedOf(route);
  return {
    operationId: operationId(route),
    tags: [tagOf(route)],
    summary,
    description: notes === null ? asked : `${notes} ${asked}`,
    ...(action === "public" ? { security: [] } : action.startsWith("admin.") ? { "x-action": action } : {}),
    parameters: [
      ...Object.entries(params).map(([name, schema]) => parameter(name, "path", schema)),
      ...Object.entries(query).map(([name, schema]) => parameter(name, "query", schema)),
    ],
    ...(body === null
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema: referring(body, shared), example } },
          },
        }),
    responses: {
      [answer.status]: {
        description: answer.status === 201 ? "Made" : "Done",
        content: { [answer.type]: { schema: referring(answer.schema, shared) } },
      },
      ...(action === "public" ? {} : { default: { $ref: "#/components/responses/Error" } }),
    },
  };
}

/** The schema with a reference in the place of each that has a name; those are collected in `shared`. */
function referring(schema: unknown, shared: Map<string, unknown>): unknown {
  if (typeof schema !== "object" || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map((each) => referring(each, shared));
  const name = nameOf(schema as Schema);
  const inside = () =>
    Object.fromEntries(Object.entries(schema).map(([key, each]) => [key, referring(each, shared)]));
  if (name === null) return inside();
  if (!shared.has(name)) {
    shared.set(name, null); // holds its place against schemas that contain it
    shared.set(name, inside());
  }
  return { $ref: `#/components/schemas/${name}` };
}

function parameter(name: string, place: "path" | "query", schema: Schema): Json {
  const { description, ...rest } = schema;
  return {
    name,
    in: place,
    required: place === "path",
    ...(description === undefined ? {} : { description }),
    schema: rest,
  };
}

function askedOf({ action, kind }: RouteRow): string {
  if (action === "public") return "For anyone.";
  const recorded = kind === "act" ? " Recorded." : "";
  if (!action.startsWith("admin.")) return `For the agent whose run it is.${recorded}`;
  return `Action: \`${action}\`.${recorded}`;
}

/** `admin.agent.issue-token` is `agentIssueToken`, `own.run.attach` is `runAttach`. */
function operationId({ action, path }: RouteRow): string {
  if (action === "public") return path.slice(1).replaceAll(/\W/g, "_");
  return action
    .slice(action.indexOf(".") + 1)
    .replaceAll(/[.-](\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The noun of its action. */
const tagOf = ({ action }: RouteRow): string =>
  action === "public" ? "description" : (action.split(".")[1] ?? "");
