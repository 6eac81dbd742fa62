import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { modernMeta } from "../../src/edge/edge.fixture.ts";
import { listen, message, openSession, post } from "../../src/edge/legacy/session.fixture.ts";
import { makePerson, paymentsAreApproved, pendingOf, setPolicies } from "../fixtures/approvals.ts";
import { Fleet } from "../fixtures/fleet.ts";
import type { Answer, NodeProcess } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";
import { HttpFixture } from "../fixtures/servers/http.ts";

/** Three whole nodes on one database, as behind a balancer that sends each request wherever it likes. */
const bank = new CountingServer();
const second = new CountingServer();
const asker = new HttpFixture({ era: "legacy", sessions: true, answersAs: "events" });
const receipts: Answer["receipt"][] = [];
let cluster: Postgres;
let url: string;
let fleet: Fleet;
const yaml = () => `
servers:
  bank: { url: "${bank.url}", concurrencyMax: 100, tools: { look: { class: read } } }
  asker: { url: "${asker.url}" }
`;
const all = () => [0, 1, 2].map((number) => fleet.node(number));

beforeAll(async () => {
  await Promise.all([bank.start(), second.start(), asker.start()]);
  cluster = await Postgres.start();
  url = await cluster.createDatabase();
  fleet = new Fleet(url);
  await fleet.start([0, 1, 2], { yaml: yaml() });
  await Promise.all(all().map((node) => node.toolsAre(["bank__pay", "asker__asks"])));
});
afterAll(async () => {
  await fleet.stop();
  await Promise.all([bank.stop(), second.stop(), asker.stop()]);
  await cluster.stop();
});

const step = (name: string) => ({ meta: { [metaKeys.run]: "fleet", [metaKeys.step]: name } });
const paid = (to: string): number => bank.received.filter(({ args }) => args["to"] === to).length;
/** A payment that nobody has asked for: what was done once is given back, whatever policy says now. */
const fresh = (): string => `fresh-${(freshCount += 1)}`;
let freshCount = 0;
/** An agent's token opens every node. */
const token = () => fleet.node(0).agentToken;
async function pay(node: NodeProcess, to: string, more: object = step(to)): Promise<Answer> {
  const answer = await node.call("bank__pay", { to, amount: 1 }, { ...more, token: token() });
  if (answer.code === null) receipts.push(answer.receipt);
  return answer;
}
const isPaid = { status: 200, code: null, isError: false };

describe("three nodes that started at once on an empty database", () => {
  test("are one installation: each serves, takes the others' tokens and signs with the same keys", async () => {
    for (const node of all()) {
      for (const other of all())
        expect(await node.call("bank__look", { what: "x" }, { token: other.agentToken })).toMatchObject(
          isPaid,
        );
      expect(await pay(node, `hello-${node.port}`)).toMatchObject(isPaid);
    }
    const keys = await Promise.all(all().map(async (node) => (await node.page("/api/v1/audit/key")).text));
    expect(new Set(keys).size).toBe(1);
    const names = await Promise.all(
      all().map(async (node) => (await node.admin<{ node: object }>("GET", "/status")).body.node),
    );
    expect(names).toMatchObject([0, 1, 2].map((number) => ({ name: `node-${number}` })));
    // The file was applied once, by one of them.
    const { body } = await fleet
      .node(0)
      .admin<{ items: { method: string }[] }>("GET", "/audit/entries?kind=act&limit=200");
    const added = body.items.filter(({ method }) => method === "admin.server.add");
    expect(added).toHaveLength(2);
  });

  test("call nothing an error that is only somebody else's being faster", () => {
    for (const node of all()) expect(node.log).not.toContain('"level":"error"');
  });

  test("hold what one of them is told of servers", async () => {
    const transport = { kind: "http", url: second.url, headers: {} };
    const made = await fleet.node(1).admin("POST", "/servers", { name: "late", transport });
    expect(made.status).toBe(201);
    await Promise.all(all().map((node) => node.toolsAre(["late__pay"])));
    for (const node of all())
      expect(
        await node.call("late__pay", { to: `late-${node.port}`, amount: 1 }, { token: token() }),
      ).toMatchObject(isPaid);
    expect((await fleet.node(2).admin("DELETE", "/servers/late")).status).toBeLessThan(300);
    for (const node of all()) await until(async () => !(await node.tools()).includes("late__pay"));
  });

  test("hold what one of them is told of agents", async () => {
    const made = await fleet.node(0).admin("POST", "/agents", { name: "guest" });
    expect(made.status).toBe(201);
    const issued = await fleet
      .node(0)
      .admin<{ secret: string }>("POST", "/agents/guest/keys", { label: "t" });
    const guest = issued.body.secret;
    const asGuest = async (node: NodeProcess) =>
      (await node.call("bank__look", { what: "x" }, { token: guest }).catch(() => ({ status: 401 }))).status;
    for (const node of all()) await until(async () => (await asGuest(node)) === 200);
    expect((await fleet.node(2).admin("POST", "/agents/guest/disable")).status).toBeLessThan(300);
    for (const node of all()) await until(async () => (await asGuest(node)) !== 200);
  });

  test("hold what one of them is told of limits, and name it in what they decide by it", async () => {
    const set = await fleet.node(1).admin("PUT", "/limits", { agents: { nobody: 1 } });
    expect(set.status).toBe(200);
    const inForce = async (node: NodeProcess) =>
      (await node.admin<{ version: number }>("GET", "/limits")).body.version;
    for (const node of all()) {
      await until(async () => (await inForce(node)) === 1);
      const { receipt } = await pay(node, `limited-${node.port}`);
      const path = `/audit/entries/${encodeURIComponent(receipt?.entry ?? "")}`;
      const { body } = await node.admin<{ entry: { versions: object } }>("GET", path);
      expect(body.entry.versions).toMatchObject({ limits: "1" });
    }
  });

  test("hold what one of them is told of policies; people vote at a second for a call that a third carries on", async () => {
    await setPolicies(fleet.node(0), paymentsAreApproved);
    for (const node of all()) await until(async () => (await pay(node, fresh())).isError);
    const vera = await makePerson(fleet.node(1), "vera", ["finance"]);
    const pending = pendingOf(await pay(fleet.node(0), "by-people"));
    await vera.decide(pending.approval, "approve");
    const answers = await Promise.all(all().map((node) => pay(node, "by-people")));
    expect(answers.map(({ code, isError }) => [code, isError])).toEqual(answers.map(() => [null, false]));
    expect(paid("by-people")).toBe(1);
    await setPolicies(fleet.node(2), "permit (principal, action, resource);");
    for (const node of all()) await until(async () => !(await pay(node, fresh())).isError);
  });

  test("send a call by step once, whichever of them are asked, at whatever moment", async () => {
    for (let n = 0; n < 20; n++) {
      const to = `once-${n}`;
      const answers = await Promise.all([...all(), ...all()].map((node) => pay(node, to)));
      for (const answer of answers) expect(answer).toMatchObject(isPaid);
      expect(new Set(answers.map(({ receipt }) => receipt?.entry)).size).toBe(1);
      expect(paid(to)).toBe(1);
    }
  });

  test("go on with each other's sessions", async () => {
    const session = await openSession(fleet.node(0).port, token());
    for (const node of all()) {
      const listed = await post(node.port, session, message("tools/list"), token());
      expect([listed.status, listed.body.includes("bank__pay")]).toEqual([200, true]);
      const called = await post(
        node.port,
        session,
        message("tools/call", { name: "bank__look", arguments: { what: "s" } }),
        token(),
      );
      expect([called.status, called.body.includes("what")]).toEqual([200, true]);
    }
    const stream = await listen(fleet.node(2).port, session, token());
    stream.destroy();
  });

  test("carry each other's parked calls on: asked at one, answered at another", async () => {
    const args = { asks: [{ id: "w", method: "elicitation/create", params: question }] };
    const first = await round(fleet.node(0), args, {});
    expect(first.result).toMatchObject({ resultType: "input_required" });
    const { requestState, inputRequests = {} } = first.result ?? {};
    const answer = { action: "accept", content: { said: "blue" } };
    const inputResponses = Object.fromEntries(Object.keys(inputRequests).map((key) => [key, answer]));
    const last = await round(fleet.node(1), args, { requestState, inputResponses });
    expect(JSON.stringify(last.result)).toContain("blue");
    expect(asker.mcp.executed.get("asks")).toBe(1);
  });
});

const question = { mode: "form", message: "Which?", requestedSchema: { type: "object", properties: {} } };

interface Round {
  readonly result?: {
    readonly requestState?: string;
    readonly inputRequests?: Record<string, unknown>;
    readonly _meta?: Readonly<Record<string, unknown>>;
  };
}

async function round(node: NodeProcess, args: object, more: object): Promise<Round> {
  const capabilities = { "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } } };
  const response = await fetch(`${node.url}/mcp`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${token()}`,
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      "MCP-Protocol-Version": "2026-07-28",
      "Mcp-Method": "tools/call",
      "Mcp-Name": "asker__asks",
    },
    body: message("tools/call", {
      name: "asker__asks",
      arguments: args,
      _meta: { ...modernMeta, ...capabilities },
      ...more,
    }),
  });
  return JSON.parse(await response.text()) as Round;
}

describe("a node of three that goes", () => {
  test("by SIGTERM, lets its calls finish, and leaves nothing behind", async () => {
    const leaving = fleet.node(2);
    bank.hold();
    const before = bank.count("pay");
    const open = Array.from({ length: 10 }, (_, i) => pay(leaving, `leaving-${i}`));
    await until(() => bank.count("pay") === before + 10);
    process.kill(leaving.pid, "SIGTERM");
    await until(async () => (await fetch(`${leaving.url}/readyz`).catch(() => null))?.status !== 200);
    bank.release();
    for (const answer of await Promise.all(open)) expect(answer).toMatchObject(isPaid);
    await leaving.stop();
    for (let i = 0; i < 10; i++) expect(await pay(fleet.node(0), `leaving-${i}`)).toMatchObject(isPaid);
    for (let i = 0; i < 10; i++) expect(paid(`leaving-${i}`)).toBe(1);
    // Its name is free at once.
    await fleet.start([2], { yaml: yaml() });
    await fleet.node(2).toolsAre(["bank__pay"]);
  });

  test("by kill -9, has its calls put on record as unknown by another, and none is sent again", async () => {
    const dying = fleet.node(1);
    const asksLater = { asks: [{ id: "v", method: "elicitation/create", params: question }] };
    const parked = await round(dying, asksLater, {});
    expect(parked.result).toMatchObject({ resultType: "input_required" });
    const asked = asker.mcp.executed.get("asks");
    bank.hold();
    const before = bank.count("pay");
    const open = Array.from({ length: 10 }, (_, i) => pay(dying, `dying-${i}`).catch(() => null));
    await until(() => bank.count("pay") === before + 10);
    await dying.kill9();
    await Promise.all(open);
    bank.release();
    // Whoever comes back at once waits at another node until that one has taken over.
    const back = await Promise.all(
      Array.from({ length: 10 }, (_, i) => pay(fleet.node(i % 2 === 0 ? 0 : 2), `dying-${i}`)),
    );
    expect(back.map(({ code }) => code)).toEqual(back.map(() => "outcome-unknown"));
    for (let i = 0; i < 10; i++) expect(paid(`dying-${i}`)).toBe(1);
    // With the node the open request of a call went that it had parked: its caller is told so.
    const { requestState } = parked.result ?? {};
    const lost = await round(fleet.node(0), asksLater, { requestState, inputResponses: {} });
    expect(lost.result?._meta?.[metaKeys.refusal]).toMatchObject({ code: "parked-call-lost" });
    expect(asker.mcp.executed.get("asks")).toBe(asked);
    const logs = fleet.node(0).log + fleet.node(2).log;
    expect(logs.split("its work is taken over").length - 1).toBe(1);
    await fleet.start([1], { yaml: yaml() });
    await fleet.node(1).toolsAre(["bank__pay"]);
    expect(await pay(fleet.node(1), "after")).toMatchObject(isPaid);
  });

  test("all leave one ledger, whole, with every receipt in it", async () => {
    await Promise.all(all().map((node) => node.stop()));
    const ledger = await provenLedger({ postgres: url }, receipts);
    expect(ledger.dispatched).toEqual([]);
    expect(ledger.unknown).toHaveLength(11);
  });
});
