import { describe, expect, test } from "vitest";
import type { Code, Refusal } from "../../contract/index.ts";
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

  test("a server's own error is told in place of ours, unless it is about our way to the server", () => {
    const told = (rpc: { code: number; message: string; data?: unknown }) =>
      (JSON.parse(errorBody(1, { code: "upstream-rejected", detail: "x", rpc })) as { error: object }).error;
    expect(told({ code: -32602, message: "No such path.", data: { uri: "a://" } })).toMatchObject({
      code: -32602,
      message: "No such path.",
      data: { uri: "a://", "dev.signalbox/refusal": { code: "upstream-rejected" } },
    });
    expect(told({ code: -1, message: "m", data: [1] })).toMatchObject({ data: { data: [1] } });
    for (const code of [-32020, -32022])
      expect(told({ code, message: "header" })).toMatchObject({ code: codes["upstream-rejected"].rpc });
  });

  test("the evidence that the protocol wants told is told: missing capabilities, and the URI that leads nowhere", () => {
    const data = (refusal: Refusal) =>
      (JSON.parse(errorBody(1, refusal)) as { error: { data: object } }).error.data;
    const evidence = { requiredCapabilities: { sampling: {} }, uri: "a://", secret: "c4n4ry" };
    expect(data({ code: "missing-capability", detail: "", evidence })).toMatchObject({
      requiredCapabilities: { sampling: {} },
    });
    expect(data({ code: "missing-capability", detail: "" })).toMatchObject({ requiredCapabilities: {} });
    expect(data({ code: "unknown-resource", detail: "", evidence })).toMatchObject({ uri: "a://" });
  });

  test("only overload says when to come back", () => {
    expect(retryAfterSeconds("too-many-calls")).toBe(1);
    expect(retryAfterSeconds("denied")).toBeNull();
    expect(retryAfterSeconds("tool-unavailable")).toBeNull();
  });
});
