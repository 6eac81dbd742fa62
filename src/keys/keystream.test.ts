import { createHmac, createSecretKey } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { systemRandom } from "../base/index.ts";
import { HmacKey } from "./hmac.ts";
import { Keystream, counterBytes, decryptAt, wholeBlocks } from "./keystream.ts";

it("a stream encrypts everything at a place of its own, and each opens alone", () => {
  const key = createSecretKey(systemRandom.bytes(32));
  const stream = new Keystream(key, systemRandom);
  const places = new Set<string>();
  for (let i = 0; i < 1000; i++) {
    const bytes = systemRandom.bytes(wholeBlocks(i % 70));
    const out = Buffer.alloc(3 + counterBytes);
    const encrypted = stream.encrypt(bytes, out, 3);
    expect(encrypted.equals(bytes)).toBe(false);
    expect(decryptAt(key, out.subarray(3), encrypted).equals(bytes)).toBe(true);
    places.add(out.subarray(3).toString("hex"));
  }
  expect(places.size).toBe(1000);
});

it("no block of a stream is used twice: the places of two payloads lie as far apart as the first is long", () => {
  const stream = new Keystream(createSecretKey(systemRandom.bytes(32)), systemRandom);
  let next = 0;
  for (const blocks of [1, 4, 1, 100, 2]) {
    const place = Buffer.alloc(counterBytes);
    stream.encrypt(Buffer.alloc(blocks * 16), place, 0);
    expect(place.readUInt32BE(12)).toBe(next);
    next += blocks;
  }
});

it("a stream begins anew, at another random place, before its bound", () => {
  const stream = new Keystream(createSecretKey(systemRandom.bytes(32)), systemRandom, 8);
  const places: string[] = [];
  for (const blocks of [3, 5, 1]) {
    const place = Buffer.alloc(counterBytes);
    stream.encrypt(Buffer.alloc(blocks * 16), place, 0);
    places.push(place.subarray(0, 12).toString("hex"));
    expect(place.readUInt32BE(12)).toBe(blocks === 5 ? 3 : 0);
  }
  expect(places[1]).toBe(places[0]);
  expect(places[2]).not.toBe(places[0]);
});

it("the HMAC in two hashes is node's HMAC", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      fc.uint8Array({ maxLength: 300 }),
      (secret, bytes) => {
        const expected = createHmac("sha256", secret).update(bytes).digest();
        expect(new HmacKey(secret).digest(bytes).equals(expected)).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});
