import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultTenant } from "../identity/index.ts";
import type { Office, Reply } from "./office.suite.ts";
import { newestEntries, openOffice } from "./office.suite.ts";

let office: Office;
beforeAll(async () => {
  office = await openOffice();
});
afterAll(() => office.stop());

const errorOf = ({ status, body }: Reply) => [status, body.error?.code];
const post = (body: unknown) => office.send(office.admin, "POST", "/agents", body);

describe("bad input", () => {
  test.each([
    ["malformed JSON", '{"name":'],
    ["a key twice", '{"name":"a","name":"b"}'],
    ["__proto__", '{"name":"a","__proto__":{"x":1}}'],
    ["nesting 100,000 deep", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
    ["a whole number beyond 2^53", '{"name":"a","roles":[9007199254740993]}'],
    ["a lone surrogate", '{"name":"\\ud800"}'],
    ["an empty body", ""],
  ])("%s is malformed JSON", async (_, text) => {
    expect(errorOf(await post(text))).toEqual([400, "malformed-json"]);
  });

  test("bytes that are not UTF-8 are malformed JSON", async () => {
    const response = await fetch(`${office.url}/api/v1/agents`, {
      method: "POST",
      headers: { authorization: `Bearer ${office.admin}`, "content-type": "application/json" },
      body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
    });
    expect(response.status).toBe(400);
  });

  test.each([
    ["null"],
    ["[]"],
    ['"x"'],
    ["{}"],
    ['{"name":1}'],
    ['{"name":"a b"}'],
    ['{"name":"a","roles":"admin"}'],
  ])("the body %s names what is wrong", async (text) => {
    const reply = await post(text);
    expect(errorOf(reply)).toEqual([400, "invalid-params"]);
    expect(reply.body.error.detail).not.toBe("");
  });

  test("10 MB are refused before they are read, with or without an announced length", async () => {
    const huge = JSON.stringify({ name: "x".repeat(10_000_000) });
    expect(errorOf(await post(huge))).toEqual([413, "body-too-large"]);
    const status = await new Promise<string>((resolve, reject) => {
      const { port } = new URL(office.url);
      const socket = connect(Number(port), "127.0.0.1", () => {
        socket.write(
          `POST /api/v1/agents HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${office.admin}\r\n` +
            "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        const chunk = `10000\r\n${"a".repeat(65_536)}\r\n`;
        for (let i = 0; i < 20; i++) socket.write(chunk);
      });
      socket.once("data", (data) => {
        resolve(data.toString("latin1").split("\r\n")[0] ?? "");
        socket.destroy();
      });
      socket.once("error", reject);
    });
    expect(status).toBe("HTTP/1.1 413 Payload Too Large");
  });

  test.each([
    ["text/plain", undefined],
    ["application/json; charset=latin1", undefined],
    ["application/json", "gzip"],
  ])("a body of type %s and encoding %s is refused", async (type, encoding) => {
    const response = await fetch(`${office.url}/api/v1/agents`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${office.admin}`,
        "content-type": type,
        ...(encoding === undefined ? {} : { "content-encoding": encoding }),
      },
      body: '{"name":"typed"}',
    });
    expect(response.status).toBe(415);
  });

  test.each([
    "/nothing",
    "/",
    "/servers/",
    "/servers//",
    "/servers/%ff",
    "/servers/a%00b",
    "/servers/..%2f..",
    "/__proto__",
  ])("the path %s is a clear no", async (path) => {
    const response = await fetch(`${office.url}/api/v1${path}`, {
      headers: { authorization: `Bearer ${office.admin}` },
    });
    expect([400, 404]).toContain(response.status);
    const { error } = (await response.json()) as { error: { requestId: string } };
    expect(error.requestId).toMatch(/^req_/);
  });

  test("a method that is not served says which are", async () => {
    const response = await fetch(`${office.url}/api/v1/servers`, { method: "PUT" });
    expect(response.status).toBe(404);
    expect(response.headers.get("allow")).toBe("GET, POST");
  });

  test("a caller that goes away half-way leaves nothing behind", async () => {
    const { port } = new URL(office.url);
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), "127.0.0.1", () => {
        socket.write(
          `POST /api/v1/agents HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${office.admin}\r\n` +
            'content-type: application/json\r\ncontent-length: 100\r\n\r\n{"name":',
          () => {
            socket.destroy();
            resolve();
          },
        );
      });
    });
    expect((await post({ name: "after" })).status).toBe(201);
    expect(office.troubles).toEqual([]);
  });

  test("who was disabled while a body was under way does nothing more with it", async () => {
    const token = await office.keyFor(defaultTenant, "person", "slow", ["admin"]);
    const { port } = new URL(office.url);
    const body = '{"name":"too-late"}';
    const socket = connect(Number(port), "127.0.0.1");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const isOver = new Promise((resolve) => socket.once("close", resolve));
    socket.write(
      `POST /api/v1/agents HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\nconnection: close\r\n` +
        `expect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    // It is told to go on when its headers have been looked at.
    await expect.poll(() => text).toMatch(/^HTTP\/1\.1 100 /);
    socket.write(body.slice(0, 5));
    expect((await office.send(office.admin, "POST", "/people/slow/disable")).status).toBe(200);
    socket.write(body.slice(5));
    await isOver;
    expect(text).toMatch(/\r\nHTTP\/1\.1 401 [^]*principal-disabled/);
    expect((await office.send(office.admin, "GET", "/agents/too-late")).status).toBe(404);
  });

  test("what is not well-formed leaves no entry; what is refused does", async () => {
    const before = await newestEntries(office, 1);
    await post("{");
    await post({});
    expect(await newestEntries(office, 1)).toEqual(before);
    await post({ name: "after" });
    expect(await newestEntries(office, 1)).toEqual(["act admin.agent.create refused conflict"]);
  });
});

describe("two at once, and a store in trouble", () => {
  test("of two changes of one thing made at once, one is a conflict and neither is lost unseen", async () => {
    await post({ name: "contested" });
    const replies = await Promise.all(
      ["a", "b", "c", "d"].map((role) =>
        office.send(office.admin, "PUT", "/agents/contested/roles", { roles: [role] }),
      ),
    );
    const won = replies.filter(({ status }) => status === 200);
    const lost = replies.filter(({ status }) => status === 409);
    expect(won.length).toBeGreaterThanOrEqual(1);
    expect(won.length + lost.length).toBe(4);
    const now = office.identities.find(office.node(), "agent", "contested");
    expect(won.map(({ body }) => body.principal.roles)).toContainEqual(now.ok ? now.value.roles : null);
  });

  test("when the ledger cannot be written nothing is done, and the answer says so", async () => {
    office.store.faults.next("disk-full");
    const reply = await post({ name: "unwritten" });
    expect(reply.status).toBe(503);
    expect(reply.body.error).toMatchObject({ code: "ledger-unavailable", retry: "later", effect: "none" });
    expect(office.identities.find(office.node(), "agent", "unwritten").ok).toBe(false);
    expect((await post({ name: "unwritten" })).status).toBe(201);
  });

  test("when nobody can say whether it was written, the answer says that", async () => {
    const doomed = await openOffice();
    doomed.store.faults.next("crash-after-commit");
    const reply = await doomed.send(doomed.admin, "POST", "/agents", { name: "perhaps" });
    expect(reply.status).toBe(503);
    expect(reply.body.error).toMatchObject({ code: "store-unavailable", effect: "unknown" });
    await doomed.stop();
  });

  test("an act and its entry are one: every agent that exists has the entry of its making", async () => {
    const entries = await office.ledger.list(defaultTenant, { limit: 500 });
    const made = entries.filter(
      ({ entry }) => entry.method === "admin.agent.create" && entry.outcome?.kind === "succeeded",
    );
    const page = await office.send(office.admin, "GET", "/agents?limit=500");
    const ids = page.body.items
      .map((each: { id: string }) => each.id)
      .filter((id: string) => id !== office.agentId);
    expect(new Set(made.map(({ entry }) => entry.subject))).toEqual(new Set(ids));
    expect(made).toHaveLength(ids.length);
  });
});
