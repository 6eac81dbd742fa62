import { createSecretKey } from "node:crypto";
import { expect, it } from "vitest";
import { systemRandom } from "../base/index.ts";
import { WrapStream, counterBytes, unwrapKey } from "./key-wrap.ts";

it("a stream wraps every key under a counter block of its own, and each unwraps alone", () => {
  const key = createSecretKey(systemRandom.bytes(32));
  const stream = new WrapStream(key, systemRandom);
  const counters = new Set<string>();
  for (let i = 0; i < 1000; i++) {
    const secret = systemRandom.bytes(32);
    const out = Buffer.alloc(3 + counterBytes + 32);
    stream.wrap(secret, out, 3);
    counters.add(out.subarray(3, 3 + counterBytes).toString("hex"));
    expect(unwrapKey(key, out, 3).equals(secret)).toBe(true);
  }
  expect(counters.size).toBe(1000);
});

it("a stream begins anew long before its counter could run over", { timeout: 30_000 }, () => {
  const stream = new WrapStream(createSecretKey(systemRandom.bytes(32)), systemRandom);
  const secret = new Uint8Array(32);
  const out = Buffer.alloc(counterBytes + 32);
  const fronts = new Set<string>();
  let largest = 0;
  for (let i = 0; i < 2 ** 20 + 2; i++) {
    stream.wrap(secret, out, 0);
    largest = Math.max(largest, out.readUInt32BE(12));
    if (i % 2 ** 20 < 2) fronts.add(out.subarray(0, 12).toString("hex"));
  }
  expect(fronts.size).toBe(2);
  expect(largest).toBeLessThan(2 ** 22);
});
