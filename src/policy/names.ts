import type { Catalog } from "./catalog.ts";
import type { Clause, Expr, PolicyJson } from "./cedar.ts";
import { rewrite, view } from "./expression.ts";
import { nearest } from "./nearest.ts";
import type { PolicyProblem } from "./problem.ts";
import type { EntityName } from "./reads.ts";
import { contextPath, entityOf } from "./reads.ts";
import type { ParsedPolicy } from "./source.ts";
import { at } from "./source.ts";

/**
 * A policy whose references are ids.
 *
 * People write names: `Server::"files"`, `Tool::"files/read_file"`, `Agent::"invoicer"`. Server names become server ids here, on
 * the parsed form. Names of agents, people and services cannot: they are made and renamed while policies stand. Such a name is
 * an ancestor of whoever bears it (principal ids contain "/", names never do), so `==` with a name becomes `in`.
 */
export interface ResolvedPolicy {
  readonly parsed: ParsedPolicy;
  readonly json: PolicyJson;
  /** What was looked up: `Server::files` to id, or "" when there is none. Decides whether a new catalog changes anything. */
  readonly lookups: Readonly<Record<string, string>>;
}

const principalTypes: Readonly<Record<string, string>> = {
  Agent: "agent",
  Person: "person",
  Service: "service",
};
const serverScoped = new Set(["Tool", "Resource", "Prompt"]);

export function resolvePolicy(
  parsed: ParsedPolicy,
  catalog: Catalog,
  problems: PolicyProblem[],
): ResolvedPolicy {
  return new Resolver(parsed, catalog, problems).run();
}

/** Whether resolving against `catalog` would give the same policy again. */
export function stillResolved(policy: ResolvedPolicy, catalog: Catalog): boolean {
  return Object.entries(policy.lookups).every(([key, id]) => {
    const found = lookUpServer(key.slice("Server::".length), catalog);
    return (found.length === 1 ? found[0] : "") === id;
  });
}

/** The tool id behind `files/read_file` or `srv_…/read_file`; null when the server part is unknown or ambiguous. */
export function toolIdFor(reference: string, catalog: Catalog): string | null {
  const slash = reference.indexOf("/");
  const found = slash === -1 ? [] : lookUpServer(reference.slice(0, slash), catalog);
  return found.length === 1 && found[0] !== undefined ? found[0] + reference.slice(slash) : null;
}

/** A name may be one server's id and another's name; then both are answered, and that is an ambiguity. */
function lookUpServer(reference: string, catalog: Catalog): readonly string[] {
  const byName = catalog.serverIds.get(reference) ?? [];
  return catalog.serverNames.has(reference) ? [...new Set([reference, ...byName])] : byName;
}

const isName = (entity: EntityName | null): entity is EntityName =>
  entity !== null && principalTypes[entity.type] !== undefined && !entity.id.includes("/");

class Resolver {
  readonly #parsed: ParsedPolicy;
  readonly #catalog: Catalog;
  readonly #problems: PolicyProblem[];
  readonly #lookups: Record<string, string> = {};

  constructor(parsed: ParsedPolicy, catalog: Catalog, problems: PolicyProblem[]) {
    this.#parsed = parsed;
    this.#catalog = catalog;
    this.#problems = problems;
  }

  run(): ResolvedPolicy {
    const { json } = this.#parsed;
    const resolved: PolicyJson = {
      ...json,
      principal: this.#principal(json.principal),
      resource: this.#constraint(json.resource),
      conditions: json.conditions.map((clause): Clause => ({
        kind: clause.kind,
        body: this.#condition(clause.body),
      })),
    };
    return { parsed: this.#parsed, json: resolved, lookups: this.#lookups };
  }

  #principal(given: PolicyJson["principal"]): PolicyJson["principal"] {
    const constraint = this.#constraint(given);
    if (constraint.op !== "==" || !("entity" in constraint)) return constraint;
    const entity = entityOf(constraint.entity);
    return isName(entity) ? { op: "is", entity_type: entity.type, in: { entity } } : constraint;
  }

  #constraint<C extends PolicyJson["principal"] | PolicyJson["resource"]>(constraint: C): C {
    if ("entity" in constraint) return { ...constraint, entity: this.#entity(constraint.entity) };
    if ("in" in constraint && constraint.in !== undefined && "entity" in constraint.in) {
      return { ...constraint, in: { entity: this.#entity(constraint.in.entity) } };
    }
    return constraint;
  }

  #condition(body: Expr): Expr {
    this.#refuseLooseNames(body);
    const resolved = rewrite(body, (expr) => {
      const { shape } = view(expr);
      const entity = shape.kind === "literal" ? entityOf(shape.value) : null;
      return entity === null ? expr : { Value: { __entity: { ...this.#entity(entity) } } };
    });
    return rewrite(resolved, equalsNameToIn);
  }

  /** A name only works where ancestors are looked at; elsewhere it would silently never match, which a forbid cannot afford. */
  #refuseLooseNames(expr: Expr, works = false): void {
    const { shape, operands } = view(expr);
    if (shape.kind === "literal" && !works) {
      const entity = entityOf(shape.value);
      if (isName(entity)) {
        this.#problem(
          "error",
          `the name ${entity.type}::"${entity.id}" cannot be used here`,
          "write principal == …, principal in […] or context.chain.….contains(…), or use the id",
        );
      }
    }
    const operator = shape.kind === "operator" ? shape.name : null;
    for (const [place, operand] of operands.entries()) {
      const other = operands[1 - place];
      const isPrincipal = other !== undefined && view(other).shape.kind === "variable";
      const equals = (operator === "==" || operator === "!=") && isPrincipal;
      const ancestor = (operator === "in" || operator === "is") && place === 1;
      const inChain =
        place === 1 &&
        operator !== null &&
        /^contains(All|Any)?$/.test(operator) &&
        other !== undefined &&
        isChain(other);
      const inWorkingSet = shape.kind === "set" && works;
      this.#refuseLooseNames(operand, equals || ancestor || inChain || inWorkingSet);
    }
  }

  #entity(given: unknown): EntityName {
    const entity = entityOf(given) ?? { type: "", id: "" };
    const { type, id } = entity;
    if (type === "Server") return { type, id: this.#server(id) };
    if (serverScoped.has(type)) return this.#onServer(entity);
    const kind = principalTypes[type];
    if (kind !== undefined && id.includes("/") && !id.startsWith(`${kind}/`)) {
      this.#problem(
        "error",
        `${type}::"${id}" is neither a name nor an id`,
        `ids of this type start with ${kind}/`,
      );
    }
    if (type === "Role" && this.#catalog.roles.size > 0) this.#known("role", id, this.#catalog.roles);
    if (type === "Tenant") this.#known("tenant", id, this.#catalog.tenants);
    return entity;
  }

  #onServer({ type, id }: EntityName): EntityName {
    const slash = id.indexOf("/");
    if (slash < 1) {
      const what = type.toLowerCase();
      this.#problem(
        "error",
        `${type}::"${id}" does not name a server`,
        `write ${type}::"<server>/<${what}>"`,
      );
      return { type, id };
    }
    const server = this.#server(id.slice(0, slash));
    const resolved = server + id.slice(slash);
    const tools = this.#catalog.toolsOfServer.get(server) ?? [];
    if (type === "Tool" && tools.length > 0 && !this.#catalog.tools.has(resolved)) {
      this.#known("tool", id.slice(slash + 1), new Set(tools.map((tool) => tool.name)));
    }
    return { type, id: resolved };
  }

  #server(reference: string): string {
    const found = lookUpServer(reference, this.#catalog);
    const only = found.length === 1 ? (found[0] ?? "") : "";
    this.#lookups[`Server::${reference}`] = only;
    if (found.length > 1) {
      this.#problem("error", `"${reference}" is more than one server: ${found.join(", ")}`, "use the id");
    } else if (found.length === 0) {
      this.#known("server", reference, new Set(this.#catalog.serverIds.keys()));
    }
    return only === "" ? reference : only;
  }

  #known(what: string, name: string, all: ReadonlySet<string>): void {
    if (all.has(name)) return;
    const close = nearest(name, all);
    this.#problem(
      "warning",
      `there is no ${what} "${name}"`,
      close === null ? null : `did you mean "${close}"?`,
    );
  }

  #problem(severity: PolicyProblem["severity"], message: string, hint: string | null): void {
    this.#problems.push(at(this.#parsed, message, hint, severity));
  }
}

/** `principal == Agent::"name"` asks for an ancestor; `!=` for its absence. */
function equalsNameToIn(expr: Expr): Expr {
  const { shape, operands } = view(expr);
  const [left, right] = operands;
  if (shape.kind !== "operator" || left === undefined || right === undefined) return expr;
  if (shape.name !== "==" && shape.name !== "!=") return expr;
  const [name, other] = isNameLiteral(right) ? [right, left] : [left, right];
  if (!isNameLiteral(name)) return expr;
  const inName: Expr = { in: { left: other, right: name } };
  return shape.name === "==" ? inName : { "!": { arg: inName } };
}

function isNameLiteral(expr: Expr): boolean {
  const { shape } = view(expr);
  return shape.kind === "literal" && isName(entityOf(shape.value));
}

const isChain = (expr: Expr): boolean => contextPath(expr)?.[0] === "chain";
