import fc from "fast-check";
import { expect, test } from "vitest";
import { findParamHeaders, paramHeaderValues as upstreamValues } from "../src/upstream/http/param-headers.ts";
import { paramHeaderValues, paramHeadersOf } from "./param-headers.ts";

const schema = {
  type: "object",
  properties: {
    region: { type: "string", "x-mcp-header": "Region" },
    where: { type: "object", properties: { level: { type: "integer", "x-mcp-header": "Level" } } },
    plain: { type: "string" },
    list: { type: "array", items: { type: "string", "x-mcp-header": "Never" } },
  },
};
const declared = paramHeadersOf(schema);

test("annotated arguments are found through properties, however deep", () => {
  expect(declared).toEqual([
    { header: "Mcp-Param-Region", path: ["region"] },
    { header: "Mcp-Param-Level", path: ["where", "level"] },
  ]);
  expect(paramHeadersOf({ type: "object" })).toEqual([]);
  expect(paramHeadersOf(null)).toEqual([]);
});

test("an argument that is absent, null or no primitive has no header", () => {
  expect(paramHeaderValues(declared, {})).toEqual({});
  expect(paramHeaderValues(declared, null)).toEqual({});
  expect(paramHeaderValues(declared, { region: null, where: [1] })).toEqual({});
  expect(paramHeaderValues(declared, { region: { x: 1 }, where: { level: 3 } })).toEqual({
    "Mcp-Param-Level": "3",
  });
});

test("any text travels as the node itself would send it on", () => {
  const oursOf = { properties: { region: schema.properties.region } };
  const theirs = findParamHeaders(oursOf) ?? [];
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.string(), fc.constant("=?base64?x?="));
  fc.assert(
    fc.property(text, (region) => {
      // Half a surrogate pair is no text that UTF-8 carries.
      fc.pre(region.isWellFormed());
      const [, wanted] = upstreamValues(theirs, JSON.stringify({ region }));
      expect(paramHeaderValues(declared, { region })["Mcp-Param-Region"]).toBe(wanted);
    }),
  );
});
