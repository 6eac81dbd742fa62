import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasMember, memberSpan } from "./json-span.ts";

const partOf = (text: string, name: string) => {
  const span = memberSpan(text, name);
  return span === null ? null : text.slice(...span);
};

describe("the span of a member", () => {
  test("is exact, white space and all", () => {
    const text = ' { "id" : 1 ,\n "result" : { "a" : "}\\"{" , "b":[1 , {}] } , "x":null}';
    expect(partOf(text, "result")).toBe('{ "a" : "}\\"{" , "b":[1 , {}] }');
    expect(partOf(text, "id")).toBe("1");
    expect(partOf(text, "x")).toBe("null");
  });

  test("is found behind an escaped name, and only at the top", () => {
    expect(partOf('{"r\\u0065sult":true}', "result")).toBe("true");
    expect(partOf('{"a":{"result":1}}', "result")).toBeNull();
  });

  test("is refused when the name stands twice, though the member is there", () => {
    expect(partOf('{"result":1,"result":2}', "result")).toBeNull();
    expect(hasMember('{"result":1,"result":2}', "result")).toBe(true);
  });

  test("reads the same as JSON.parse, for any object", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.jsonValue(),
        fc.nat(4),
        (object, value, indent) => {
          delete object["result"];
          const text = JSON.stringify({ ...object, result: value, tail: 1 }, null, indent);
          expect(JSON.parse(partOf(text, "result") ?? "undefined")).toEqual(
            JSON.parse(JSON.stringify(value)),
          );
          expect(hasMember(text, "result")).toBe(true);
          expect(partOf(JSON.stringify(object, null, indent), "result")).toBeNull();
          expect(hasMember(JSON.stringify(object, null, indent), "result")).toBe(false);
        },
      ),
    );
  });
});
