import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { removeKnownSecrets, removeKnownSecretsFromJson } from "./index.ts";
import { PatternSet } from "./pattern-set.ts";
import { formsOf } from "./secret-forms.ts";

const secret = 'gh"p_7x/Ké+q\\2';
const secrets = [secret, "hunter2-hunter2"];

describe("taking known secrets out of text", () => {
  test("a text without secrets comes back as the same string", () => {
    const text = "nothing to see here, move along".repeat(100);
    expect(removeKnownSecrets(text, secrets)).toEqual({ text, removed: 0 });
    expect(removeKnownSecrets(text, [])).toEqual({ text, removed: 0 });
  });

  test("every place is replaced and counted", () => {
    const text = `a hunter2-hunter2 b ${secret}${secret} c`;
    expect(removeKnownSecrets(text, secrets)).toEqual({
      text: "a [secret] b [secret][secret] c",
      removed: 3,
    });
  });

  const escaped = JSON.stringify(secret).slice(1, -1);
  test.each([
    ["escaped in JSON", escaped],
    ["escaped twice, as JSON inside a JSON string", JSON.stringify(escaped).slice(1, -1)],
    ["escaped by a writer that keeps to ASCII", escaped.replace("é", String.raw`\u00e9`)],
    ["encoded for a URL", encodeURIComponent(secret)],
    [
      "encoded for a URL with lower-case hex",
      encodeURIComponent(secret).replace(/%../g, (byte) => byte.toLowerCase()),
    ],
    ["in base64", Buffer.from(secret).toString("base64")],
    ["in base64url", Buffer.from(secret).toString("base64url")],
  ])("a secret is found %s", (_, form) => {
    const { text, removed } = removeKnownSecrets(`<${form}>`, secrets);
    expect(removed).toBe(1);
    expect(text).not.toContain(form);
  });

  test("a secret is found in base64 of something longer, wherever it starts", () => {
    for (const user of ["", "a", "bo", "eve", "mallory"]) {
      const header = Buffer.from(`${user}:${secret}:more`).toString("base64");
      const { text, removed } = removeKnownSecrets(`Authorization: Basic ${header}`, secrets);
      expect(removed).toBe(1);
      expect(Buffer.from(text.slice(text.indexOf("Basic ") + 6), "base64").toString()).not.toContain("7x/K");
    }
  });

  test.each([
    ["the token of a header's whole value", "Bearer tok-0123456789", "bad token tok-0123456789!"],
    ["the same in another scheme", "ApiKey  tok-0123456789", "bad token tok-0123456789!"],
    ["the password of Basic", `Basic ${btoa("app:tok-0123456789")}`, "no such password: tok-0123456789!"],
    ["Basic without its scheme", `Basic ${btoa("app:tok-0123456789")}`, `<${btoa("app:tok-0123456789")}>`],
    ["a password in an address", "postgres://app:tok-0123456789@db/x", "user app, password tok-0123456789!"],
    ["one that was encoded there", "amqp://app:tok%2F0123456789@db", "password tok/0123456789!"],
    ["an address without its path", "postgres://app:tok-0123456789@db/x", "at app:tok-0123456789@db"],
  ])("%s is found by itself", (_, whole, said) => {
    const { text, removed } = removeKnownSecrets(said, [whole]);
    expect(removed).toBe(1);
    expect(text).not.toMatch(/0123|MDEyM/);
  });

  test("what is short in it, or no secret, is not looked for", () => {
    const said = "Bearer of db.example.org, user app, password short";
    expect(removeKnownSecrets(said, ["Bearer short", "https://app:short@db.example.org/x"]).removed).toBe(0);
  });

  test("secrets under eight characters are not looked for", () => {
    expect(removeKnownSecrets("the word is letters", ["letters"]).removed).toBe(0);
  });

  test("of two secrets at one place the longer one is taken", () => {
    expect(removeKnownSecrets("x-abcdefgh-long-y", ["abcdefgh", "abcdefgh-long"]).text).toBe("x-[secret]-y");
  });
});

describe("taking known secrets out of JSON", () => {
  const clean = (value: unknown, known: readonly string[]) =>
    JSON.parse(removeKnownSecretsFromJson(JSON.stringify(value), known).text) as unknown;

  test("strings lose the secret and nothing else", () => {
    expect(clean({ a: [`x ${secret} y`], [secret]: 1 }, secrets)).toEqual({
      a: ["x [secret] y"],
      "[secret]": 1,
    });
  });

  const key = "sk/live+4f=<é&>%2F";
  const unit = (char: string) => `\\u${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  test.each([
    ["every slash escaped, as PHP does", JSON.stringify(key).replaceAll("/", String.raw`\/`)],
    ["plus, less and ampersand by number, as .NET does", JSON.stringify(key).replace(/[+<>&é]/g, unit)],
    ["every character by number", `"${Array.from(key, unit).join("")}"`],
    ["the same inside JSON in a string", JSON.stringify(`{"k":"${Array.from(key, unit).join("")}"}`)],
    [
      "more of an address encoded than need be",
      JSON.stringify(`https://x/?k=${encodeURIComponent(key).replace("sk", "%73%6b")}`),
    ],
    ["as markup", JSON.stringify(`<b>sk/live&#43;4f&#x3D;&lt;é&amp;&gt;%2F</b>`)],
    ["as markup, escaped in JSON", JSON.stringify("sk/live+4f=&lt;é&amp;&gt;%2F").replaceAll("&", unit)],
  ])("a secret is found with %s", (_, value) => {
    const json = `{"before":"100%, a & b","value":${value},"after":"\\u00e9\\/"}`;
    const { text, removed } = removeKnownSecretsFromJson(json, [key]);
    expect(removed).toBe(1);
    const { before, after, value: left } = JSON.parse(text) as Record<string, string>;
    expect([before, after]).toEqual(["100%, a & b", "é/"]);
    expect(left).toContain("[secret]");
    expect(left).not.toMatch(/live|4f/);
  });

  test("what is escaped and no secret comes back as it is, byte for byte", () => {
    const json = String.raw`{"a":"\u00e9\/%2F&amp;\n","b":"&#x110000;%zz&#99999999;"}`;
    expect(removeKnownSecretsFromJson(json, [key])).toEqual({ text: json, removed: 0 });
  });

  test("a number that is the secret becomes a string, and its neighbours stay exact", () => {
    const json =
      '{"id": 9007199254740993123, "pin": 8812345678, "text": "pin 8812345678 ok", "rest":[1.0, {}]}';
    expect(removeKnownSecretsFromJson(json, ["8812345678"]).text).toBe(
      '{"id": 9007199254740993123, "pin": "[secret]", "text": "pin [secret] ok", "rest":[1.0, {}]}',
    );
  });

  test("a secret that is itself JSON takes the object it is, and no more", () => {
    const account = '{"type":"service_account","private":"abc"}';
    const value = { content: [], structuredContent: { account: JSON.parse(account) as unknown, other: 1 } };
    expect(clean(value, [account])).toEqual({
      content: [],
      structuredContent: { account: "[secret]", other: 1 },
    });
  });

  test("a match that begins inside an escape does not break the string around it", () => {
    expect(clean({ a: { text: "one\nabcdefgh" }, b: 1 }, ["nabcdefgh"])).toEqual({
      a: { text: "[secret]" },
      b: 1,
    });
  });

  test("a match across several values takes the smallest one around them", () => {
    expect(clean({ a: [[1234, 5678, 9], [2]], b: [3] }, ["1234,5678"])).toEqual({
      a: ["[secret]", [2]],
      b: [3],
    });
    expect(clean([1234567, 2], ["[1234567,2]"])).toBe("[secret]");
  });

  test("whatever the JSON, it stays JSON and no form of the secret is left", () => {
    const known = ["12345678", '"a":"bcdefg', "],[[[[]]", 'k\\"\\n"xyz', "nnnnnnnn"];
    const patterns = new PatternSet(known.flatMap((each) => [...formsOf(each)]));
    const leaf = fc.oneof(
      fc.constantFrom(...known, 12345678, "\n".repeat(9), { a: "bcdefghi" }, [[], [[[[]]]]]),
      fc.string(),
      fc.integer(),
      fc.boolean(),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 5 }, leaf, fc.array(tie("tree")), fc.dictionary(fc.string(), tie("tree"))),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const { text } = removeKnownSecretsFromJson(JSON.stringify(value), known);
        JSON.parse(text);
        expect(patterns.next(text, 0)).toBeNull();
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a set of patterns", () => {
  test("finds exactly what a search for each finds", () => {
    const alphabet = fc.string({ unit: fc.constantFrom("a", "b", "c", "é", "\u{1F600}"), maxLength: 200 });
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", "é"), minLength: 2, maxLength: 9 });
    fc.assert(
      fc.property(alphabet, fc.array(pattern, { minLength: 1, maxLength: 6 }), (text, patterns) => {
        const first = Math.min(...patterns.map((each) => text.indexOf(each)).filter((at) => at >= 0));
        const found = new PatternSet(patterns).next(text, 0);
        expect(found?.start ?? Infinity).toBe(first);
        if (found !== null) {
          const longest = Math.max(
            ...patterns.filter((each) => text.startsWith(each, first)).map((each) => each.length),
          );
          expect(found.end - found.start).toBe(longest);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
