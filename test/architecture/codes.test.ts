import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { codes } from "../../contract/index.ts";
import type { CodeRow } from "../../contract/index.ts";
import { codesReference } from "../../tools/codes-reference.ts";

test("every code stands in the reference: node tools/generate-codes.ts", () => {
  const page = readFileSync(new URL("../../docs/reference/codes.md", import.meta.url), "utf8");
  expect(page).toBe(codesReference());
});

test("codes of our own stay out of the ranges that JSON-RPC and MCP reserve", () => {
  const shared = new Set([-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022]);
  for (const [code, { rpc }] of Object.entries<CodeRow>(codes)) {
    expect(shared.has(rpc) || rpc > -32000 || rpc < -32768, `${code} uses ${rpc}`).toBe(true);
  }
});

test("a refusal before dispatch never claims an effect, and an effect is never to be tried again at once", () => {
  for (const [code, row] of Object.entries<CodeRow>(codes)) {
    if (row.cause === "policy" || row.cause === "overload") expect(row.effect, code).toBe("none");
    if (row.effect !== "none") expect(row.retry, code).not.toBe("now");
  }
});
