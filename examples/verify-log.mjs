#!/usr/bin/env node
// Proves a log that `signalbox audit export --to DIRECTORY` wrote (or a .tar of it, unpacked), with nothing but Node.js and this file.
//
//     node verify-log.mjs DIRECTORY [--key KEY|FILE] [--checkpoint FILE]... [--witness KEY|FILE]...
//
// KEY is the log's public key from somebody you trust; without it the one in the export is used, which proves only that the export
// agrees with itself. A checkpoint is one that you kept: it shows a log that was rewritten since. A witness is one that must have
// co-signed the log. It ends with 0 when everything holds, and with 1 and the reason when something does not.
//
// It follows c2sp.org/signed-note, tlog-checkpoint, tlog-tiles and tlog-cosignature, and RFC 6962. It shares no code with Signalbox.
import { createHash, createPublicKey, verify } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    key: { type: "string" },
    checkpoint: { type: "string", multiple: true, default: [] },
    witness: { type: "string", multiple: true, default: [] },
  },
});
const [directory] = positionals;
if (directory === undefined) fail("Name the directory of the export.");

const logKey = parseKey(values.key ?? read("log.vkey").toString(), 1);
const witnesses = values.witness.map((text) => ({ ...parseKey(text, 4), covers: 0, at: 0 }));
const newest = openCheckpoint(read("checkpoint").toString());
// By number of entries: the roots that must come out there, and who says so.
const due = new Map();
expect(newest, "its checkpoint");
for (const file of values.checkpoint) {
  const kept = openCheckpoint(readFileSync(file, "utf8"));
  if (kept.size > newest.size) fail(`${file} covers ${kept.size} entries; the export has ${newest.size}.`);
  expect(kept, file);
}

const peaks = []; // complete subtrees of the tree so far, largest first
const upper = []; // by level from 1 on: the hashes that its tiles must hold
let size = 0;
let checkpoints = 0;
let [from, entries] = [0, 0];
for (let first = 0; first < newest.size; first += 256) {
  const width = Math.min(256, newest.size - first);
  const place = `${path(first / 256)}${width < 256 ? `.p/${width}` : ""}`;
  const history = `checkpoints/${path(first / 256)}`;
  for (const line of has(history) ? read(history).toString().split("\n").slice(0, -1) : []) {
    const checkpoint = openCheckpoint(JSON.parse(line));
    if (checkpoint.size <= first || checkpoint.size > first + width) fail(`${history} holds another part's.`);
    expect(checkpoint, "its checkpoint");
    checkpoints++;
  }
  const hashes = read(`tile/0/${place}`);
  if (hashes.length !== width * 32) fail(`tile/0/${place} does not hold ${width} hashes.`);
  const bundle = `tile/entries/${place}`;
  let leaves = null;
  if (has(bundle)) {
    leaves = leavesOf(read(bundle), width, bundle);
    if (entries === 0) from = first;
    entries += width;
  } else if (entries > 0) fail(`${bundle} is missing.`);
  for (let i = 0; i < width; i++) {
    const hash = hashes.subarray(i * 32, i * 32 + 32);
    if (leaves !== null && !sha256(Buffer.of(0), leaves[i]).equals(hash))
      fail(`The entry at position ${first + i} is not the one whose hash the tree has.`);
    append(hash);
  }
}
for (const [level, hashes = []] of upper.entries()) {
  for (let at = 0; at < hashes.length; at += 256) {
    const some = hashes.slice(at, at + 256);
    const tile = `tile/${level}/${path(at / 256)}${some.length < 256 ? `.p/${some.length}` : ""}`;
    if (!Buffer.concat(some).equals(read(tile))) fail(`${tile} is not what the entries add up to.`);
  }
}
console.log(`log         ${newest.origin}`);
console.log(`proven      ${newest.size} entries, by ${checkpoints} checkpoints`);
console.log(`here        ${entries} of them${entries < newest.size ? `, from position ${from} on` : ""}`);
console.log(
  `key         ${values.key === undefined ? "the one in the export; give the one you trust" : "yours"}`,
);
for (const { name, covers, at } of witnesses) {
  if (covers === 0) fail(`${name} has co-signed nothing of it.`);
  console.log(`witness     ${name}: ${covers} entries, at ${new Date(at * 1000).toISOString()}`);
}

function append(leafHash) {
  let node = { height: 0, hash: leafHash };
  while (peaks.at(-1)?.height === node.height) {
    node = { height: node.height + 1, hash: sha256(Buffer.of(1), peaks.pop().hash, node.hash) };
    if (node.height % 8 === 0) (upper[node.height / 8] ??= []).push(node.hash);
  }
  peaks.push(node);
  size++;
  const expected = due.get(size);
  if (expected === undefined) return;
  const root = peaks.map(({ hash }) => hash).reduceRight((right, left) => sha256(Buffer.of(1), left, right));
  for (const { signed, who } of expected)
    if (!root.equals(signed)) fail(`The first ${size} entries are not those that ${who} covers.`);
}

function expect(checkpoint, who) {
  due.set(checkpoint.size, [...(due.get(checkpoint.size) ?? []), { signed: checkpoint.root, who }]);
}

// A signed note: text, an empty line, signature lines. The text of a checkpoint: origin, size, root.
function openCheckpoint(note) {
  const end = note.lastIndexOf("\n\n");
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2).split("\n");
  const [origin, digits, root] = text.split("\n");
  const checkpoint = { origin, size: Number(digits), root: Buffer.from(root ?? "", "base64") };
  const isWhole = end > 0 && /^(0|[1-9]\d*)$/.test(digits ?? "") && checkpoint.root.length === 32;
  if (!isWhole || origin !== logKey.name) fail(`A checkpoint is none of ${logKey.name}.`);
  const own = signatureOf(logKey, lines);
  if (own === null || !verify(null, Buffer.from(text), logKey.key, own))
    fail(`A checkpoint over ${digits} entries is not signed by ${logKey.name}.`);
  for (const witness of witnesses) {
    const said = signatureOf(witness, lines);
    if (said === null) continue;
    const seconds = said.readBigUInt64BE(0);
    const signed = Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
    if (!verify(null, signed, witness.key, said.subarray(8))) fail(`The word of ${witness.name} is forged.`);
    if (checkpoint.size >= witness.covers)
      Object.assign(witness, { covers: checkpoint.size, at: Number(seconds) });
  }
  return checkpoint;
}

function signatureOf({ name, id }, lines) {
  for (const line of lines) {
    const [dash, signer, encoded] = line.split(" ");
    const bytes = Buffer.from(encoded ?? "", "base64");
    if (dash === "—" && signer === name && bytes.subarray(0, 4).equals(id)) return bytes.subarray(4);
  }
  return null;
}

// <name>+<first 4 bytes of SHA-256(name, newline, type, key) in hex>+<base64 of type and key>
function parseKey(given, type) {
  const text = (existsSync(given) ? readFileSync(given, "utf8") : given).trim();
  const [name, id, ...rest] = text.split("+");
  const bytes = Buffer.from(rest.join("+"), "base64");
  const computed = sha256(Buffer.from(`${name}\n`), bytes).subarray(0, 4);
  if (bytes.length !== 33 || bytes[0] !== type || computed.toString("hex") !== id)
    fail(`${text} is no such key.`);
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), bytes.subarray(1)]);
  return { name, id: computed, key: createPublicKey({ key: spki, format: "der", type: "spki" }) };
}

function leavesOf(bundle, count, name) {
  const leaves = [];
  let at = 0;
  while (at + 2 <= bundle.length && leaves.length < count) {
    const end = at + 2 + bundle.readUInt16BE(at);
    leaves.push(bundle.subarray(at + 2, end));
    at = end;
  }
  if (at !== bundle.length || leaves.length !== count) fail(`${name} does not hold ${count} entries.`);
  return leaves;
}

// 1234067 is x001/x234/067.
function path(number) {
  const digits = String(number);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/.{3}/g);
  return groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join("/");
}

function has(name) {
  return existsSync(join(directory, name));
}

function read(name) {
  if (!has(name)) fail(`${name} is missing.`);
  return readFileSync(join(directory, name));
}

function sha256(...parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
