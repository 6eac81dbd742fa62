import { createCipheriv, createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { systemRandom } from "../base/index.ts";
import { HmacKey } from "./hmac.ts";
import { Keystream, counterBytes } from "./keystream.ts";

const secret = Buffer.from(systemRandom.bytes(32));
const streamOf = (blocksMax?: number) => new Keystream(secret.toString("latin1"), systemRandom, blocksMax);

/** What a stream makes of 16 bytes, and where in it they stand. */
function encrypted(stream: Keystream, blocks = 1): { prefix: string; block: number; opens: boolean } {
  const place = Buffer.alloc(counterBytes);
  const bytes = Buffer.alloc(blocks * 16, 7);
  const sealed = stream.encrypt(bytes, place, 0);
  const byNode = createCipheriv("aes-256-ctr", secret, place).update(bytes);
  const opens = sealed.equals(byNode) && stream.decryptAt(place, sealed).equals(bytes);
  return { prefix: place.toString("hex", 0, 12), block: place.readUInt32BE(12), opens };
}

it("a stream encrypts everything at a place of its own, and each opens alone", () => {
  const stream = streamOf();
  const places = new Set<string>();
  for (let i = 0; i < 1000; i++) {
    const { prefix, block, opens } = encrypted(stream, 1 + (i % 5));
    expect(opens).toBe(true);
    places.add(`${prefix}/${block}`);
  }
  expect(places.size).toBe(1000);
});

it("no block of a stream is used twice: the places of two payloads lie as far apart as the first is long", () => {
  const stream = streamOf();
  const found = [1, 4, 1, 100, 2].map((blocks) => encrypted(stream, blocks));
  expect(found.map(({ block }) => block)).toEqual([0, 1, 5, 6, 106]);
  expect(new Set(found.map(({ prefix }) => prefix)).size).toBe(1);
});

it("a stream begins anew, at another random place, before its bound and after it has rested", () => {
  const stream = streamOf(8);
  const found = [3, 5, 1].map((blocks) => encrypted(stream, blocks));
  stream.rest();
  found.push(encrypted(stream));
  expect(found.map(({ block }) => block)).toEqual([0, 3, 0, 0]);
  expect(found.every(({ opens }) => opens)).toBe(true);
  const [first, second, third, fourth] = found.map(({ prefix }) => prefix);
  expect(second).toBe(first);
  expect(new Set([first, third, fourth]).size).toBe(3);
});

it("the HMAC in two hashes is node's HMAC", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      fc.uint8Array({ maxLength: 300 }),
      (secret, bytes) => {
        const expected = createHmac("sha256", secret).update(bytes).digest();
        expect(new HmacKey(Buffer.from(secret).toString("latin1")).digest(bytes).equals(expected)).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});
