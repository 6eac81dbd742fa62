import type { ArgumentType } from "./argument-type.ts";
import type { Expr } from "./cedar.ts";
import { rewrite, view } from "./expression.ts";

/**
 * `context.args.amount < 1000` where the tool's schema says `number`: Cedar's `<` is for whole numbers only, and its decimals
 * have no literals. So comparisons with a `number` become the decimal form. What cannot be said in that form is a problem,
 * never a guess.
 */
export interface NumberProblem {
  readonly message: string;
  readonly hint: string;
}

/** The largest whole part of a Cedar decimal (four places of a signed 64-bit number). */
const decimalWholeMax = 922_337_203_685_477;
const orderings: Readonly<Record<string, string>> = {
  "<": "lessThan",
  "<=": "lessThanOrEqual",
  ">": "greaterThan",
  ">=": "greaterThanOrEqual",
};

export function rewriteNumbers(body: Expr, args: ArgumentType, problems: NumberProblem[]): Expr {
  return rewrite(body, (expr) => rewriteOne(expr, args, problems));
}

function rewriteOne(expr: Expr, args: ArgumentType, problems: NumberProblem[]): Expr {
  const { shape, operands, rebuild } = view(expr);
  if (shape.kind !== "operator") return expr;
  const types = operands.map((operand) => typeOf(operand, args));
  const [left, right] = operands;
  const ordering = orderings[shape.name];
  if (ordering !== undefined && left !== undefined && right !== undefined) {
    if (!types.some(isDecimal)) return expr;
    const converted = operands.map((operand) => coerce(operand, { kind: "decimal" }, args));
    const [a, b] = converted;
    if (a === null || b === null || a === undefined || b === undefined) {
      problems.push({
        message: `${pathText(isDecimal(types[0]) ? left : right)} is a number (decimal); the other side of ${shape.name} is not`,
        hint: 'compare it with a number between ±922337203685477, or write .lessThan(decimal("0.5"))',
      });
      return expr;
    }
    return { [ordering]: [a, b] };
  }
  if (["+", "-", "*", "neg"].includes(shape.name) && types.some(isDecimal)) {
    const place = types.findIndex(isDecimal);
    problems.push({
      message: `${pathText(operands[place] ?? expr)} is a number (decimal), which policies cannot calculate with`,
      hint: "compare it with a number instead",
    });
    return expr;
  }
  if (["==", "!=", "containsAll", "containsAny"].includes(shape.name)) {
    return rebuild(operands.map((operand, at) => coerce(operand, types[1 - at] ?? null, args) ?? operand));
  }
  if (shape.name === "contains" && left !== undefined && right !== undefined) {
    const element = types[0]?.kind === "set" ? types[0].element : null;
    const item = types[1] ?? null;
    return rebuild([
      coerce(left, item === null ? null : { kind: "set", element: item }, args) ?? left,
      coerce(right, element, args) ?? right,
    ]);
  }
  return expr;
}

/** The expression as a value of `wanted`: numeric literals become decimals where it has them. null = cannot be. */
function coerce(expr: Expr, wanted: ArgumentType | null, args: ArgumentType): Expr | null {
  if (wanted === null) return expr;
  const { shape, operands, rebuild } = view(expr);
  if (shape.kind === "if") {
    const [condition, yes, no] = operands;
    if (condition === undefined || yes === undefined || no === undefined) return null;
    const [a, b] = [coerce(yes, wanted, args), coerce(no, wanted, args)];
    return a === null || b === null ? null : rebuild([condition, a, b]);
  }
  switch (wanted.kind) {
    case "decimal": {
      if (isDecimal(typeOf(expr, args))) return expr;
      const value = literalNumber(expr);
      if (value === null || Math.abs(value) > decimalWholeMax) return null;
      return { decimal: [{ Value: `${value}.0` }] };
    }
    case "set": {
      if (shape.kind !== "set") return expr;
      return rebuild(operands.map((operand) => coerce(operand, wanted.element, args) ?? operand));
    }
    case "record": {
      if (shape.kind !== "record") return expr;
      const typeAt = (place: number): ArgumentType | null =>
        wanted.attributes.get(shape.keys[place] ?? "")?.type ?? null;
      return rebuild(operands.map((operand, place) => coerce(operand, typeAt(place), args) ?? operand));
    }
    case "long":
    case "string":
    case "boolean":
    case "none":
      return expr;
  }
}

/** The type as far as decimals are concerned; null = something else. */
function typeOf(expr: Expr, args: ArgumentType): ArgumentType | null {
  const { shape, operands } = view(expr);
  const first = operands[0];
  switch (shape.kind) {
    case "variable":
      return shape.name === "context"
        ? { kind: "record", attributes: new Map([["args", { type: args, required: true }]]) }
        : null;
    case "attribute": {
      const left = first === undefined ? null : typeOf(first, args);
      return left?.kind === "record" ? (left.attributes.get(shape.attr)?.type ?? null) : null;
    }
    case "if": {
      const branches = operands.slice(1).map((operand) => typeOf(operand, args));
      return branches.find(isDecimal) ?? branches[0] ?? null;
    }
    case "set": {
      const elements = operands.map((operand) => typeOf(operand, args));
      const element = elements.find(isDecimal) ?? elements[0] ?? null;
      return element === null ? null : { kind: "set", element };
    }
    case "record":
      return {
        kind: "record",
        attributes: new Map(
          operands.flatMap((operand, place) => {
            const type = typeOf(operand, args);
            return type === null ? [] : [[shape.keys[place] ?? "", { type, required: true }] as const];
          }),
        ),
      };
    case "operator":
      return shape.name === "decimal" ? { kind: "decimal" } : null;
    case "literal":
    case "has":
      return null;
  }
}

const isDecimal = (type: ArgumentType | null | undefined): boolean => type?.kind === "decimal";

/** 5, -5 and -(5). */
function literalNumber(expr: Expr): number | null {
  const { shape, operands } = view(expr);
  if (shape.kind === "literal") return typeof shape.value === "number" ? shape.value : null;
  if (shape.kind !== "operator" || shape.name !== "neg" || operands[0] === undefined) return null;
  const value = literalNumber(operands[0]);
  return value === null ? null : -value;
}

function pathText(expr: Expr): string {
  const { shape, operands } = view(expr);
  if (shape.kind === "variable") return shape.name;
  if (shape.kind === "attribute" && operands[0] !== undefined)
    return `${pathText(operands[0])}.${shape.attr}`;
  return "this";
}
