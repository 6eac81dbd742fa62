import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nameServers } from "./name-servers.ts";

/** Knows one name, is silent about `silent.example`, and denies all others. */
let server: Socket;

beforeAll(async () => {
  server = createSocket("udp4", (query, from) => {
    const answer = answerTo(query);
    if (answer !== null) server.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
});
afterAll(() => server.close());

/** RFC 1035 section 4: one question, and the addresses that answer it. */
function answerTo(query: Buffer): Buffer | null {
  const nameEnd = query.indexOf(0, 12);
  const name = query.toString("latin1", 12, nameEnd);
  if (name.includes("silent")) return null;
  const type = query.readUInt16BE(nameEnd + 1);
  const known = name.includes("known");
  const data =
    type === 1 ? Buffer.from([203, 0, 113, 7]) : Buffer.from("20010db8000000000000000000000007", "hex");
  const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length, ...data]);
  const header = Buffer.from([0x81, known ? 0x80 : 0x83, 0, 1, 0, known ? 1 : 0, 0, 0, 0, 0]);
  const question = query.subarray(12, nameEnd + 5);
  return Buffer.concat([query.subarray(0, 2), header, question, ...(known ? [record] : [])]);
}

const asked = (name: string) =>
  new Promise<{ code: string | null; found: readonly object[] }>((resolve) => {
    const ask = nameServers([`127.0.0.1:${server.address().port}`]);
    ask(name, { all: true }, (error, found) => resolve({ code: error?.code ?? null, found }));
  });

test("name servers are asked for both kinds of address, and one that never answers is given up", async () => {
  expect(await asked("known.example")).toEqual({
    code: null,
    found: [
      { address: "203.0.113.7", family: 4 },
      { address: "2001:db8::7", family: 6 },
    ],
  });
  expect(await asked("nobody.example")).toEqual({ code: "ENOTFOUND", found: [] });
  expect(await asked("silent.example")).toEqual({ code: "ETIMEOUT", found: [] });
});
