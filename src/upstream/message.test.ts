import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scanTopLevel } from "./json-scan.ts";
import { readMessage, readMessageBytes } from "./message.ts";

/** JSON text with odd but legal spacing and escapes, and what it means. */
const jsonText = fc
  .tuple(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom("", " ", "\n\t ", "\r\n"), fc.boolean())
  .map(([value, space, escapes]) => {
    const text = JSON.stringify(value, null, space === "" ? undefined : 1).replaceAll(
      "\n",
      space === "" ? "" : space,
    );
    return escapes ? text.replaceAll("e", (e, at: number) => (insideString(text, at) ? "\\u0065" : e)) : text;
  });

function insideString(text: string, at: number): boolean {
  let inside = false;
  for (let i = 0; i < at; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') inside = !inside;
  }
  // The character before may be a backslash that makes this one an escape.
  return inside && text[at - 1] !== "\\" && !/\\u[0-9a-fA-F]{0,3}$/.test(text.slice(0, at));
}

describe("the exact text of a result", () => {
  it("means what JSON.parse says, wherever it stands and however it is written (property)", () => {
    fc.assert(
      fc.property(
        jsonText,
        fc.array(fc.tuple(fc.constantFrom("jsonrpc", "id", "x", "re\\u0073", "ré"), jsonText), {
          maxLength: 3,
        }),
        fc.nat(3),
        fc.constantFrom("", " ", "\n "),
        (result, others, place, space) => {
          const members = others
            .filter(([key], i) => others.findIndex(([other]) => other === key) === i)
            .map(([key, value]) => `"${key}"${space}:${space}${value}`);
          members.splice(
            Math.min(place, members.length),
            0,
            `${space}"result"${space}:${space}${result}${space}`,
          );
          const text = `${space}{${space}${members.join(`${space},${space}`)}${space}}${space}`;
          const parsed = JSON.parse(text) as { result: unknown };
          const top = scanTopLevel(text, 1_000);
          expect(top.isAmbiguous).toBe(false);
          const raw = text.slice(top.result?.[0], top.result?.[1]);
          expect(raw).toBe(result.trim());
          expect(JSON.parse(raw)).toEqual(parsed.result);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("is not taken from a text where a member stands twice, however it is spelled (property)", () => {
    fc.assert(
      fc.property(
        jsonText,
        jsonText,
        fc.constantFrom("result", "re\\u0073ult", "\\u0072esult"),
        (one, two, spelled) => {
          const text = `{"jsonrpc":"2.0","result":${one},"id":1,"${spelled}":${two}}`;
          expect(readMessage(text, 1_000)).toMatchObject({ kind: "garbage", id: 1 });
        },
      ),
    );
  });

  it("never throws on any text, and never finds a result that JSON.parse does not (property)", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), jsonText, fc.string({ unit: fc.constantFrom(...'{}[]":,\\ 1nult') })),
        (text) => {
          const message = readMessage(text, 64);
          if (message.kind === "result")
            expect(JSON.parse(message.raw)).toEqual((JSON.parse(text) as { result: unknown }).result);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  // In quadratic time it would take hours: the test's own deadline tells.
  it("of 2 MB of backslashes and quotes is found in linear time", () => {
    const nasty = JSON.stringify({ t: '\\"'.repeat(500_000) });
    const message = readMessage(`{"jsonrpc":"2.0","id":1,"result":${nasty}}`, 64);
    expect(message).toMatchObject({ kind: "result", raw: nasty });
  });
});

describe("a message", () => {
  const garbage: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["null", "null"],
    ["an array (batches are gone)", '[{"jsonrpc":"2.0","id":1,"result":{}}]'],
    ["another version", '{"jsonrpc":"1.0","id":1,"result":{}}'],
    ["no version", '{"id":1,"result":{}}'],
    ["result and error", '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"m"}}'],
    ["neither", '{"jsonrpc":"2.0","id":1}'],
    ["a result that is no object", '{"jsonrpc":"2.0","id":1,"result":[]}'],
    ["an error without a code", '{"jsonrpc":"2.0","id":1,"error":{"message":"m"}}'],
    ["an error with half a code", '{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"m"}}'],
    ["a method that is no string", '{"jsonrpc":"2.0","id":1,"method":7}'],
    ["a request with an odd id", '{"jsonrpc":"2.0","id":{},"method":"ping"}'],
    [
      "very many members",
      `{"jsonrpc":"2.0","id":1,"result":{},${Array.from({ length: 50 }, (_, i) => `"a${i}":1`).join()}}`,
    ],
    [
      "nested beyond the bound",
      `{"jsonrpc":"2.0","id":1,"result":{"a":${"[".repeat(300)}${"]".repeat(300)}}}`,
    ],
  ];

  it.each(garbage)("with %s is garbage", (_name, text) => {
    expect(readMessage(text, 256).kind).toBe("garbage");
  });

  it("that is not UTF-8 is garbage, because it has no exact text", () => {
    const bytes = Buffer.concat([
      Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"a":"'),
      Buffer.from([0xff]),
      Buffer.from('"}}'),
    ]);
    expect(readMessageBytes(bytes, 64)).toMatchObject({ kind: "garbage", why: "it is not UTF-8" });
  });

  it("of each kind is read as that kind", () => {
    expect(readMessage('{"jsonrpc":"2.0","id":1,"result":{"a":1}}', 64)).toEqual({
      kind: "result",
      id: 1,
      raw: '{"a":1}',
      value: { a: 1 },
    });
    expect(readMessage('{"jsonrpc":"2.0","id":"1","result":{}}', 64)).toMatchObject({
      kind: "result",
      id: null,
    });
    expect(
      readMessage('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m","data":[1]}}', 64),
    ).toEqual({
      kind: "error",
      id: null,
      error: { code: -32700, message: "m", data: [1] },
    });
    expect(readMessage('{"jsonrpc":"2.0","method":"n","params":[1]}', 64)).toEqual({
      kind: "notification",
      method: "n",
      params: {},
    });
    expect(readMessage('{"jsonrpc":"2.0","id":"q","method":"ping"}', 64)).toEqual({
      kind: "request",
      id: "q",
      method: "ping",
      params: {},
      chars: 42,
    });
  });
});
