import fc from "fast-check";
import { expect, it } from "vitest";
import { Audience } from "./audience.ts";

it("is one caller's as long as nobody else has called, and shared for good from then on (property)", () => {
  const caller = fc.constantFrom(null, "ada", "bob", "cyd");
  fc.assert(
    fc.property(fc.array(caller, { maxLength: 12 }), (callers) => {
      const audience = new Audience();
      const called = new Set<string>();
      for (const each of callers) {
        const wouldStay = audience.suits(each);
        audience.admit(each);
        if (each !== null) called.add(each);
        expect(audience.isShared).toBe(called.size > 1);
        expect(wouldStay).toBe(!audience.isShared);
      }
    }),
  );
});
