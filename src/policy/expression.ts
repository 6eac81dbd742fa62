import type { Expr } from "./cedar.ts";

/**
 * One way to look at every expression of Cedar's JSON form: what it is, its operands, and how to build it again from other
 * operands. Analyses and rewriting walk this and need not know thirty shapes.
 */
export interface View {
  readonly shape:
    | { readonly kind: "literal"; readonly value: unknown }
    | { readonly kind: "variable"; readonly name: string }
    | { readonly kind: "attribute"; readonly attr: string }
    | { readonly kind: "has"; readonly attrs: readonly string[] }
    | { readonly kind: "record"; readonly keys: readonly string[] }
    | { readonly kind: "set" }
    | { readonly kind: "if" }
    /** Operators and functions: `<`, `in`, `contains`, `decimal`, `like`, `is` … */
    | { readonly kind: "operator"; readonly name: string };
  readonly operands: readonly Expr[];
  readonly rebuild: (operands: readonly Expr[]) => Expr;
}

type Fields = Readonly<Record<string, unknown>>;

export function view(expr: Expr): View {
  const [name, body] = Object.entries(expr as Fields)[0] ?? ["", null];
  if (name === "Value") return leaf(expr, { kind: "literal", value: body });
  if (name === "Var" || name === "Slot") return leaf(expr, { kind: "variable", name: String(body) });
  if (name === "Set") {
    return {
      shape: { kind: "set" },
      operands: body as Expr[],
      rebuild: (operands) => ({ Set: [...operands] }),
    };
  }
  if (name === "Record") {
    const entries = Object.entries(body as Record<string, Expr>);
    const keys = entries.map(([key]) => key);
    return {
      shape: { kind: "record", keys },
      operands: entries.map(([, value]) => value),
      rebuild: (operands) => ({
        Record: Object.fromEntries(keys.map((key, at) => [key, operandAt(operands, at)])),
      }),
    };
  }
  if (Array.isArray(body)) {
    return {
      shape: { kind: "operator", name },
      operands: body as Expr[],
      rebuild: (operands) => ({ [name]: [...operands] }),
    };
  }
  return named(name, body as Fields);
}

/** Every expression inside `expr`, itself first. */
export function* everyExpression(expr: Expr): Generator<Expr> {
  yield expr;
  for (const operand of view(expr).operands) yield* everyExpression(operand);
}

/** Rebuilds `expr` with `change` applied from the leaves up. */
export function rewrite(expr: Expr, change: (expr: Expr) => Expr): Expr {
  const seen = view(expr);
  if (seen.operands.length === 0) return change(expr);
  return change(seen.rebuild(seen.operands.map((operand) => rewrite(operand, change))));
}

const operandNames = ["left", "right", "arg", "if", "then", "else", "in"] as const;

function named(name: string, body: Fields): View {
  const present = operandNames.filter((operand) => body[operand] !== undefined);
  return {
    shape: shapeOf(name, body),
    operands: present.map((operand) => body[operand] as Expr),
    rebuild: (operands) => {
      const changed = Object.fromEntries(present.map((operand, at) => [operand, operandAt(operands, at)]));
      return { [name]: { ...body, ...changed } } as unknown as Expr;
    },
  };
}

function shapeOf(name: string, body: Fields): View["shape"] {
  if (name === ".") return { kind: "attribute", attr: String(body["attr"]) };
  if (name === "has") {
    const attr = body["attr"];
    return { kind: "has", attrs: Array.isArray(attr) ? attr.map(String) : [String(attr)] };
  }
  if (name === "if-then-else") return { kind: "if" };
  return { kind: "operator", name };
}

const leaf = (expr: Expr, shape: View["shape"]): View => ({ shape, operands: [], rebuild: () => expr });

function operandAt(operands: readonly Expr[], at: number): Expr {
  const operand = operands[at];
  if (operand === undefined) throw new RangeError(`operand ${at} is missing`);
  return operand;
}
