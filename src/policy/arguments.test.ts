import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { argumentsType } from "./argument-type.ts";
import { agent, call, catalog, compiled, pay, refusedFor } from "./policy.fixture.ts";
import { decimalText } from "./values.ts";

const payIf = (condition: string) =>
  compiled(
    `permit(principal, action == Action::"call", resource == Tool::"bank/pay") when { ${condition} };`,
  );
const effect = (condition: string, args: Readonly<Record<string, unknown>>) =>
  pay(payIf(condition), args).effect;

describe("context.args", () => {
  it("compares integers as whole numbers and numbers as decimals, also when the value is whole", () => {
    expect(effect("context.args.count < 1000", { count: 999 })).toBe("allow");
    expect(effect("context.args.count < 1000", { count: 1000 })).toBe("deny");
    expect(effect("context.args.amount < 1000", { amount: 5 })).toBe("allow");
    expect(effect("context.args.amount < 1000", { amount: 999.9999 })).toBe("allow");
    expect(effect("context.args.amount < 1000", { amount: 1000 })).toBe("deny");
    expect(effect("1000 > context.args.amount", { amount: 5 })).toBe("allow");
    expect(effect("context.args.amount == 5", { amount: 5 })).toBe("allow");
    expect(effect("context.args.amount != -5", { amount: -5 })).toBe("deny");
    expect(effect("context.args.amount >= -(5)", { amount: -5 })).toBe("allow");
    expect(effect(`context.args.amount.lessThan(decimal("0.5"))`, { amount: 0.4999 })).toBe("allow");
    expect(
      effect("context.args.amount <= (if context.args.count > 3 then 100 else 10)", { amount: 50, count: 4 }),
    ).toBe("allow");
  });

  it("rewrites literals in sets, and numbers against numbers", () => {
    expect(effect("[1, 2].contains(context.args.amount)", { amount: 2 })).toBe("allow");
    expect(effect("context.args has prices && context.args.prices.contains(3)", { prices: [1, 3] })).toBe(
      "allow",
    );
    expect(effect("context.args has prices && context.args.prices == [1, 2]", { prices: [2, 1] })).toBe(
      "allow",
    );
    expect(effect("context.args has prices && context.args.prices.containsAll([1])", { prices: [2] })).toBe(
      "deny",
    );
    expect(
      effect("context.args has limit && context.args.amount <= context.args.limit", {
        amount: 2,
        limit: 2.5,
      }),
    ).toBe("allow");
  });

  it("refuses what cannot be rewritten", () => {
    const refused = (condition: string) =>
      refusedFor(
        `permit(principal, action == Action::"call", resource == Tool::"bank/pay") when { ${condition} };`,
      )[0];
    expect(refused("context.args.amount + 1 > 2")).toMatch(
      /context\.args\.amount is a number \(decimal\), which policies cannot calculate with/,
    );
    expect(refused("context.args.amount < context.args.count")).toMatch(/the other side of < is not/);
    expect(refused("context.args.amount < 922337203685478")).toMatch(/the other side of < is not/);
    expect(refused(`context.args.amount == "5"`)).toMatch(/not compatible/);
    expect(refused("context.args.count < 9007199254740993")).toMatch(/beyond 2\^53-1/);
    expect(refused("context.args.prices.contains(1)")).toMatch(/context\.args has prices/);
  });

  it("names the tool when a policy over all tools reads an argument that one lacks", () => {
    expect(
      refusedFor(`permit(principal, action == Action::"call", resource) when { context.args.amount > 2 };`),
    ).toEqual([
      expect.stringMatching(
        /`args\.amount` .* not found \[tool srv_2\/.* and 1 other tools\] .*context\.args has amount &&/,
      ),
    ]);
  });

  it("denies a value that cannot be mapped at a path that is read, naming it, and ignores it elsewhere", () => {
    const errors = (condition: string, args: Readonly<Record<string, unknown>>) =>
      pay(payIf(condition), args).errors;
    expect(errors("context.args.amount < 5", { amount: 1.00001 })).toEqual([
      "context.args.amount has more than 4 decimal places",
    ]);
    expect(errors("context.args.amount < 5", { amount: 1e15 })).toEqual([
      "context.args.amount is out of a decimal's range",
    ]);
    expect(errors("context.args.amount < 5", { amount: 1e300 })).toEqual([
      "context.args.amount is out of a decimal's range",
    ]);
    expect(errors("context.args.count < 5", { count: 1.5 })).toEqual([
      "context.args.count is not a whole number within 2^53-1",
    ]);
    expect(errors("context.args.count < 5", { count: "1" })).toEqual(["context.args.count is not a number"]);
    expect(errors("!(context.args has either)", { either: 5 })).toEqual([
      "context.args.either its schema allows several types",
    ]);
    expect(errors("!(context.args has extra)", { extra: 5 })).toEqual([
      "context.args.extra is not in the tool's schema",
    ]);
    expect(errors('context.args has tags && context.args.tags.contains("a")', { tags: ["a", 5] })).toEqual([
      "context.args.tags[1] is not a string",
    ]);
    expect(
      errors('context.args has account && context.args.account.country == "DE"', { account: "DE" }),
    ).toEqual(["context.args.account is not an object"]);
    expect(
      effect('context.args has account && context.args.account.country == "DE"', {
        account: { country: "DE", either: 1 },
        extra: 1,
        either: 2,
        amount: 1.00001,
      }),
    ).toBe("allow");
    expect(effect("context.args has account", { account: { either: 1 } })).toBe("allow");
  });

  it("takes null for absent", () => {
    expect(effect("!(context.args has limit)", { limit: null })).toBe("allow");
    expect(effect("!(context.args has either)", { either: null })).toBe("allow");
    expect(effect("!(context.args has tags)", { tags: null })).toBe("allow");
    expect(pay(payIf("context.args.count < 5"), { count: null })).toMatchObject({
      effect: "deny",
      errors: [expect.stringMatching(/count/)],
    });
  });

  it("never lets an argument pass for an entity or an extension value", () => {
    const set = payIf(`context.args has account && context.args.account.country == "DE"`);
    expect(pay(set, { account: { __entity: { type: "Role", id: "admin" } } }).effect).toBe("deny");
    expect(pay(set, { account: { country: { __extn: { fn: "decimal", arg: "1.0" } } } }).effect).toBe("deny");
    const hostile = compiled(`permit(principal, action, resource) when { !(context.args has constructor) };`);
    expect(hostile.decide(call("srv_2/read_file", { path: "x" })).effect).toBe("allow");
    expect(
      argumentsType({
        type: "object",
        properties: JSON.parse('{"__entity": {"type": "string"}, "__proto__": {"type": "string"}}') as object,
      }),
    ).toMatchObject({
      attributes: new Map([
        ["__entity", { required: false, type: { kind: "none", because: "its name is reserved" } }],
        ["__proto__", { required: false, type: { kind: "none", because: "its name is reserved" } }],
      ]),
    });
  });

  it("maps numbers like decimals with four places: order and equality agree for every value that maps", () => {
    const set = payIf("context.args.amount < 250");
    fc.assert(
      fc.property(fc.integer({ min: -10_000_000, max: 10_000_000 }), (scaled) => {
        const amount = scaled / 10_000;
        expect(pay(set, { amount }).effect).toBe(amount < 250 ? "allow" : "deny");
      }),
      { numRuns: 300 },
    );
  });

  it("prints a decimal that is the same number again, or says why not", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = decimalText(value);
        if (text.ok) {
          expect(text.text).toMatch(/^-?\d+\.\d{1,4}$/);
          expect(Number(text.text)).toBe(value + 0);
        } else expect(text.because).not.toBe("");
      }),
    );
    expect(decimalText(922_337_203_685_477)).toEqual({ ok: true, text: "922337203685477.0" });
    expect(decimalText(922_337_203_685_478).ok).toBe(false);
  });
});

describe("a tool's schema", () => {
  const typeOf = (property: unknown, rest: object = {}) => {
    const type = argumentsType({ type: "object", properties: { a: property }, ...rest });
    return type.kind === "record" ? type.attributes.get("a") : null;
  };

  it("gives types through $ref, anyOf with null, enum and const", () => {
    const $defs = { Money: { type: "number" }, Loop: { $ref: "#/$defs/Loop" } };
    expect(typeOf({ $ref: "#/$defs/Money" }, { $defs })?.type.kind).toBe("decimal");
    expect(typeOf({ anyOf: [{ type: "integer" }, { type: "null" }] }, { required: ["a"] })).toEqual({
      type: { kind: "long" },
      required: false,
    });
    expect(typeOf({ enum: ["x", "y", null] })?.type.kind).toBe("string");
    expect(typeOf({ const: 3 })?.type.kind).toBe("long");
    expect(typeOf({ allOf: [{ $ref: "#/$defs/Money" }], default: 1 }, { $defs })?.type.kind).toBe("decimal");
    expect(typeOf({ $ref: "#/$defs/Loop" }, { $defs })?.type.kind).toBe("none");
    expect(typeOf({ type: "array", items: { type: ["string", "null"] } })?.type.kind).toBe("none");
    expect(typeOf(true)?.type.kind).toBe("none");
  });

  it("that refers to itself or unfolds without end is read within bounds", () => {
    const tree = {
      type: "object",
      properties: { left: { $ref: "#" }, right: { $ref: "#" }, name: { type: "string" } },
    };
    expect(argumentsType(tree).kind).toBe("record");
    const wide = {
      type: "object",
      properties: Object.fromEntries(
        Array.from({ length: 10_000 }, (_, at) => [`p${at}`, { type: "string" }]),
      ),
    };
    expect(argumentsType(wide).kind).toBe("record");
  });

  it("that changes makes a policy that no longer fits deny that tool, by name, and no other", () => {
    const set = compiled(
      `@id("cap") permit(principal, action == Action::"call", resource) when { !(context.args has amount) || context.args.amount < 10 };`,
    );
    expect(pay(set, { amount: 5 }).effect).toBe("allow");
    const changed = set.withCatalog({
      ...catalog,
      tools: catalog.tools.map((tool) =>
        tool.id === "srv_1/pay"
          ? { ...tool, inputSchema: { type: "object", properties: { amount: { type: "string" } } } }
          : tool,
      ),
    });
    const decision = changed.decide(call("srv_1/pay", { amount: "5" }, agent("x")));
    expect(decision).toMatchObject({ effect: "deny", reasons: [{ id: "cap" }] });
    expect(decision.errors[0]).toMatch(/policy cap: /);
    expect(changed.decide(call("srv_2/read_file", { path: "x" })).effect).toBe("allow");
    expect(changed.mayList(agent("x"), "srv_1/pay")).toBe(false);
    expect(new Set(changed.toolProblems().map(({ tool }) => tool))).toEqual(new Set(["srv_1/pay"]));
  });
});
