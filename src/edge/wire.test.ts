import { describe, expect, test } from "vitest";
import type { Code } from "../../contract/index.ts";
import { codes } from "../../contract/index.ts";
import { errorBody, refusalResult, retryAfterSeconds } from "./wire.ts";

describe("the wire of a refusal", () => {
  test.each(Object.keys(codes) as Code[])("%s tells its text and detail, and never its evidence", (code) => {
    const refusal = { code, detail: "Public particulars.", evidence: { secret: "c4n4ry" } };
    const receipt = { entry: "call_1:0", leaf: "bGVhZg==" };
    const asError = errorBody(7, refusal, receipt, { supported: ["x"] });
    const asResult = JSON.stringify(refusalResult(refusal, receipt));
    for (const text of [asError, asResult]) {
      expect(text).not.toContain("c4n4ry");
      expect(text).toContain(codes[code].text.replaceAll('"', '\\"'));
      expect(text).toContain("Public particulars.");
    }
    expect(JSON.parse(asError)).toMatchObject({
      jsonrpc: "2.0",
      id: 7,
      error: {
        code: codes[code].rpc,
        data: {
          supported: ["x"],
          "dev.signalbox/refusal": {
            code,
            cause: codes[code].cause,
            retry: codes[code].retry,
            effect: codes[code].effect,
          },
          "dev.signalbox/receipt": receipt,
        },
      },
    });
    expect(JSON.parse(asResult)).toMatchObject({ isError: true, content: [{ type: "text" }] });
  });

  test("only overload says when to come back", () => {
    expect(retryAfterSeconds("too-many-calls")).toBe(1);
    expect(retryAfterSeconds("denied")).toBeNull();
    expect(retryAfterSeconds("tool-unavailable")).toBeNull();
  });
});
