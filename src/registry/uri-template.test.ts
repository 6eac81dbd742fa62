import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitCost, fits, parseUriTemplate } from "./uri-template.ts";

const fitting = (template: string, uri: string): boolean | null => {
  const parsed = parseUriTemplate(template);
  return parsed === null ? null : fits(parsed, uri);
};

describe("a URI template", () => {
  test.each([
    ["test://template/{id}/data", "test://template/42/data", true],
    ["test://template/{id}/data", "test://template//data", false],
    ["test://template/{id}/data", "test://template/a/b/data", false],
    ["test://template/{id}/data", "test://template/42/data/", false],
    ["db://{table}/{row}", "db://people/7", true],
    ["db://{table}-{row}", "db://a-b-c", true],
    ["file:///{+path}", "file:///etc/hosts", true],
    ["file:///{path*}", "file:///etc/hosts", true],
    ["file:///{path}", "file:///etc/hosts", false],
    ["x://y{/a,b}", "x://y", true],
    ["x://y{/a,b}", "x://y/1/2", true],
    ["x://y{/a,b}", "x://y1", false],
    ["x://y{?q,lang}", "x://y?q=1&lang=de", true],
    ["x://y{?q}", "x://y", true],
    ["x://y{?q}", "x://y#q", false],
    ["x://y?fixed=1{&q}", "x://y?fixed=1&q=2", true],
    ["x://y{#part}", "x://y#intro", true],
    ["x://y{.ext}", "x://y.json", true],
    ["x://y{;v}", "x://y;v=1", true],
    ["{scheme}://{host}", "http://a", true],
    ["x://{a}{b}{c}", "x://zz", false],
    ["x://{a}{b}{c}", "x://zzz", true],
    ["x://{a:3}", "x://abcdef", true],
  ])("%s against %s: %s", (template, uri, expected) => {
    expect(fitting(template, uri)).toBe(expected);
  });

  test.each(["x://plain", "x://{", "x://}", "x://{}", "x://{a b}", "x://{=a}", "x://{a", "{{a}}", ""])(
    "%s cannot be matched",
    (template) => expect(parseUriTemplate(template)).toBeNull(),
  );

  test("has a bound on its parts", () => {
    expect(parseUriTemplate("{a}/".repeat(16))).not.toBeNull();
    expect(parseUriTemplate("{a}/".repeat(17))).toBeNull();
  });

  test("is matched in a number of steps that is known beforehand", () => {
    const parsed = parseUriTemplate("{+a}".repeat(32));
    if (parsed === null) throw new Error("it should parse");
    const uri = "x".repeat(8_000);
    expect(fitCost(parsed, uri)).toBe(32 * 8_001);
    expect(fits(parsed, uri)).toBe(true);
  });

  const value = fc.stringMatching(/^[A-Za-z0-9._~-]{1,12}$/);
  test("fits whatever it expands to", () => {
    const pieces = fc.array(fc.tuple(fc.stringMatching(/^[a-z:/]{0,6}$/), value), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(pieces, fc.stringMatching(/^[a-z/]{0,5}$/), (parts, end) => {
        const template = parts.map(([literal], at) => `${literal}{v${at}}`).join("") + end;
        const uri = parts.map(([literal, said]) => literal + said).join("") + end;
        expect(fitting(template, uri)).toBe(true);
        expect(fitting(template, `${uri}\u0000/`)).toBe(false);
      }),
    );
  });

  test("says what a regular expression with the same meaning says", () => {
    const part = fc.oneof(
      fc.constantFrom("a", "/", "ab", "b/"),
      fc.constantFrom("{x}", "{+x}", "{/x}", "{?x}"),
    );
    const uri = fc.stringMatching(/^[ab/?]{0,10}$/);
    const regex: Readonly<Record<string, string>> = {
      "{x}": "[^/]+",
      "{+x}": ".+",
      "{/x}": "(?:/[^?#]*)?",
      "{?x}": "(?:\\?[^#]*)?",
    };
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), uri, (parts, text) => {
        const parsed = parseUriTemplate(parts.join(""));
        if (parsed === null) return;
        const pattern = parts.map((each) => regex[each] ?? each.replace("/", "\\/")).join("");
        expect(fits(parsed, text)).toBe(new RegExp(`^${pattern}$`).test(text));
      }),
      { numRuns: 500 },
    );
  });
});
