import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { covers, readChallenge, scopeUnion } from "./challenge.ts";

describe("a challenge", () => {
  test.each([
    [`Bearer`, "bearer", null, null, null],
    [`bearer realm="a, b", error="x"`, "bearer", "x", null, null],
    [`Basic realm="x", Bearer scope="a b"`, "bearer", null, "a b", null],
    [`Negotiate abc==, Bearer scope="a"`, "bearer", null, "a", null],
    [`Bearer error="no", DPoP algs="ES256", error="use_dpop_nonce"`, "dpop", "use_dpop_nonce", null, null],
    [`Bearer resource_metadata="https://a/b?c=d", scope=one`, "bearer", null, "one", "https://a/b?c=d"],
    [`Bearer error_description="error=\\"fake\\", scope=x"`, "bearer", null, null, null],
    [`Bearer x_scope="a"`, "bearer", null, null, null],
    [`Digest scope="a"`, null, null, null, null],
    ["", null, null, null, null],
  ])("%s", (header, scheme, error, scope, resourceMetadata) => {
    expect(readChallenge(header)).toEqual(
      scheme === null ? null : { scheme, error, scope, resourceMetadata },
    );
  });

  test("of whatever form takes little time and is never more than it says", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (text) => {
        const read = readChallenge(`Bearer ${text}`);
        expect(read?.scope === null || read === null || text.includes("scope")).toBe(true);
      }),
    );
    expect(readChallenge(`Bearer ${"a=".repeat(100_000)}`)).not.toBeUndefined();
    expect(readChallenge(`Bearer scope="${"\\".repeat(100_000)}`)).not.toBeUndefined();
  });
});

test("a union of scopes has each once; what is covered is covered in any order", () => {
  expect(scopeUnion("a b", null, "b c", "")).toBe("a b c");
  expect(scopeUnion(null, "", null)).toBeNull();
  expect(covers("b a", "a b")).toBe(true);
  expect(covers("a", "a b")).toBe(false);
  expect(covers(null, null)).toBe(true);
  expect(covers("ab", "a")).toBe(false);
});
