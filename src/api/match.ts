import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { Method, RouteRow } from "./route.ts";

/** Where the API lives. */
export const apiPrefix = "/api/v1";

/** Longer paths than the longest tool id, percent-encoded, with room. */
const pathCharactersMax = 2_048;

export interface Match<R> {
  readonly route: R;
  readonly params: Readonly<Record<string, string>>;
}

interface Node<R> {
  readonly literal: Map<string, Node<R>>;
  parameter: { readonly name: string; readonly node: Node<R> } | null;
  readonly routes: Map<Method, R>;
}

/** The routes as a tree of path segments: one look-up per segment. A literal segment wins over a parameter. */
export class Matcher<R extends RouteRow> {
  private readonly root: Node<R> = newNode();

  constructor(routes: readonly R[]) {
    for (const route of routes) this.add(route);
  }

  /** `path` is without the query, beginning with the prefix. */
  match(method: string, path: string): Result<Match<R>> {
    if (path.length > pathCharactersMax) {
      return refuse({
        code: "invalid-params",
        detail: `The path is longer than ${pathCharactersMax} characters.`,
      });
    }
    const segments = segmentsOf(path);
    if (segments === null) return nothingHere;
    const params: Record<string, string> = {};
    let node = this.root;
    for (const segment of segments) {
      const literal = node.literal.get(segment);
      if (literal !== undefined) {
        node = literal;
        continue;
      }
      if (node.parameter === null) return nothingHere;
      const value = decoded(segment);
      if (value === null) {
        return refuse({
          code: "invalid-params",
          detail: `The path's "${node.parameter.name}" is not well encoded.`,
        });
      }
      params[node.parameter.name] = value;
      node = node.parameter.node;
    }
    const route = node.routes.get(method as Method); // any string may be looked up
    if (route !== undefined) return ok({ route, params });
    if (node.routes.size === 0) return nothingHere;
    const allowed = [...node.routes.keys()];
    return refuse({
      code: "method-not-found",
      detail: `Here is ${allowed.join(", ")} possible, not ${method.slice(0, 16)}.`,
      evidence: { allowed },
    });
  }

  private add(route: R): void {
    let node = this.root;
    for (const segment of route.path.slice(1).split("/")) {
      const name = /^\{(\w+)\}$/.exec(segment)?.[1];
      if (name === undefined) {
        const next = node.literal.get(segment) ?? newNode<R>();
        node.literal.set(segment, next);
        node = next;
      } else {
        node.parameter ??= { name, node: newNode() };
        node = node.parameter.node;
      }
    }
    node.routes.set(route.method, route);
  }
}

const newNode = <R>(): Node<R> => ({ literal: new Map(), parameter: null, routes: new Map() });

const nothingHere: Result<never> = refuse({
  code: "not-found" as const,
  detail: `There is nothing here; ${apiPrefix}/openapi.json lists what there is.`,
});

function segmentsOf(path: string): readonly string[] | null {
  if (!path.startsWith(`${apiPrefix}/`)) return null;
  return path.slice(apiPrefix.length + 1).split("/");
}

/** Null when it is not percent-encoded UTF-8, empty, or hides a control character. */
function decoded(segment: string): string | null {
  try {
    const value = decodeURIComponent(segment);
    // eslint-disable-next-line no-control-regex -- finding controls is the point
    return value === "" || /[\u0000-\u001f\u007f]/.test(value) ? null : value;
  } catch {
    return null;
  }
}
