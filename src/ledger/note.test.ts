import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { openCheckpoint, parseCheckpoint, signCheckpoint } from "./checkpoint.ts";
import { openNote, parseVerifierKey, signNote, strictBase64, verifierKey, verifierKeyText } from "./note.ts";

const pair = generateKeyPairSync("ed25519");
const raw = pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32);
const signed = (bytes: Uint8Array) => sign(null, bytes, pair.privateKey);
const key = verifierKey("box-1/acme", raw);

describe("a signed note", () => {
  it("of the Go implementation's tests opens under its published key", () => {
    // golang.org/x/mod/sumdb/note, the example key and note of its documentation.
    const peter = parseVerifierKey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    expect(peter?.id).toBe("c74f20a3");
    const note =
      "If you think cryptography is the answer to your problem,\n" +
      "then you don't know what your problem is.\n\n" +
      "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    expect(peter && openNote(note, peter)).toEqual({
      ok: true,
      value: note.slice(0, note.indexOf("\n\n") + 1),
    });
  });

  it("opens under the key it was signed with, whatever other signatures it carries", () => {
    const note = signNote("a\n\nb\n", key.name, raw, signed);
    const other = "— witness.example/w AAAAAAAAAAA=\n";
    expect(openNote(note + other, key)).toEqual({ ok: true, value: "a\n\nb\n" });
    expect(openNote(`${note.slice(0, note.lastIndexOf("—"))}${other}`, key)).toMatchObject({
      refusal: { problem: "unsigned" },
    });
    expect(openNote(note.replace("a\n", "b\n"), key)).toMatchObject({
      refusal: { problem: "bad-signature" },
    });
  });

  it.each([
    ["", "empty"],
    ["text\n", "no signatures"],
    ["text\n\n", "no signature lines"],
    ["text\n\n- box-1/acme AAAAAAAAAAA=\n", "a hyphen for the dash"],
    ["text\n\n— box-1/acme AAAA AAAAAAA=\n", "spaces"],
    ["text\n\n— box-1/acme AAAA\n", "too short"],
    ["text\n\n— box-1/acme AAAAAAAAAAB=\n", "base64 with loose bits"],
    ["te\u0007xt\n\n— box-1/acme AAAAAAAAAAA=\n", "control characters"],
    ["te\r\nxt\n\n— box-1/acme AAAAAAAAAAA=\n", "carriage returns"],
    ["text\n\n— box-1/acme AAAAAAAAAAA=", "no last newline"],
    [`text\n\n${"— a AAAAAAAAAAA=\n".repeat(33)}`, "too many signatures"],
    ["x".repeat(200_000), "too long"],
  ])("that is malformed is refused: %j", (note) => {
    expect(openNote(note, key)).toMatchObject({ ok: false, refusal: { problem: "malformed" } });
  });

  it("has keys whose text form comes back, and no other text passes", () => {
    const text = verifierKeyText("box-1/acme", raw);
    expect(parseVerifierKey(text)).toMatchObject({ name: "box-1/acme", id: key.id });
    for (const bad of [
      "",
      "a+b",
      text.replace("box-1", "box-2"),
      text.slice(0, -4),
      text.replace("+A", "+B"),
      `${text}\n`,
    ]) {
      expect(parseVerifierKey(bad), bad).toBeNull();
    }
    expect(strictBase64("AAAA AAAA")).toBeNull();
  });
});

describe("a checkpoint", () => {
  it("opens under the key named for its origin only", () => {
    const root = Buffer.alloc(32, 5);
    const note = signCheckpoint({ origin: "box-1/acme", size: 7, root }, raw, signed);
    expect(openCheckpoint(note, key)).toEqual({ ok: true, value: { origin: "box-1/acme", size: 7, root } });
    const text = `box-1/other\n7\n${root.toString("base64")}\n`;
    expect(openCheckpoint(signNote(text, key.name, raw, signed), key)).toMatchObject({
      refusal: { problem: "malformed" },
    });
  });

  it.each([
    "",
    "o\n1\n",
    "o\n01\nAAAA\n",
    "o\n-1\n",
    `o\n1\n${Buffer.alloc(31).toString("base64")}\n`,
    `\n1\n${Buffer.alloc(32).toString("base64")}\n`,
    `o\n9007199254740993\n${Buffer.alloc(32).toString("base64")}\n`,
  ])("that is malformed is none: %j", (text) => {
    expect(parseCheckpoint(text)).toBeNull();
  });
});
