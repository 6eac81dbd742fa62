import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../base/index.ts";
import type { LetterNode } from "../../../test/fixtures/letter-nodes.ts";
import { letterNodes } from "../../../test/fixtures/letter-nodes.ts";
import type { RawConnection, RunningEdge } from "../edge.fixture.ts";
import { startEdge } from "../edge.fixture.ts";
import { sealingWith } from "./sealing.fixture.ts";
import type { Message } from "./session.fixture.ts";
import { events, message, openSession, post, streaming } from "./session.fixture.ts";

/** Two nodes on one database, with the same keys, and a balancer that sends each request wherever it likes. */
let asking: RunningEdge;
let other: RunningEdge;
let nodes: readonly LetterNode[];
let stopNodes: () => Promise<void>;
const open: RawConnection[] = [];

beforeEach(async () => {
  const sessionSealing = sealingWith(randomBytes(32));
  ({ nodes, stop: stopNodes } = await letterNodes(systemClock, ["one", "two"]));
  const edgeOf = (node: LetterNode | undefined) =>
    startEdge({ sessionSealing, answersElsewhere: node?.letters ?? null });
  asking = await edgeOf(nodes[0]);
  other = await edgeOf(nodes[1]);
});
afterEach(async () => {
  for (const connection of open.splice(0)) connection.destroy();
  await asking.edge.stop(0);
  await other.edge.stop(0);
  await stopNodes();
});

/** A call on the first node that asks, and its question. */
async function ask(session: string): Promise<{ readonly call: RawConnection; readonly question: Message }> {
  const call = streaming(asking.port, session, message("tools/call", { name: "ask" }));
  open.push(call);
  await call.until(() => events(call).length > 0);
  return { call, question: events(call)[0] ?? {} };
}

const said = { action: "accept", content: { who: "me" } };
const answer = ({ id }: Message) => JSON.stringify({ jsonrpc: "2.0", id, result: said });
const newSession = (token = "token-a") => openSession(other.port, token, { elicitation: {} });

describe("an answer that arrives on another node than its question came from", () => {
  test("reaches the call, like one that arrives where it was asked", async () => {
    const session = await newSession();
    const { call, question } = await ask(session);
    expect((await post(other.port, session, answer(question))).status).toBe(202);
    await call.until(() => events(call).length > 1);
    expect(JSON.stringify(events(call).at(-1)?.result)).toContain("accept");
    const second = await ask(session);
    expect((await post(asking.port, session, answer(second.question))).status).toBe(202);
  });

  test("reaches it as the error that it is", async () => {
    const session = await newSession();
    const { call, question } = await ask(session);
    const error = { code: -1, message: "no form here" };
    const body = JSON.stringify({ jsonrpc: "2.0", id: question.id, error });
    expect((await post(other.port, session, body)).status).toBe(202);
    await call.until(() => events(call).length > 1);
    expect(JSON.stringify(events(call).at(-1))).toContain("no form here");
  });

  test("is taken from the session that was asked and from no other, of whomever", async () => {
    const session = await newSession();
    const { call, question } = await ask(session);
    const own = await newSession();
    const another = await newSession("token-b");
    expect((await post(other.port, own, answer(question))).status).toBe(400);
    expect((await post(other.port, another, answer(question), "token-b")).status).toBe(400);
    expect((await post(other.port, session, answer(question), "token-b")).status).toBe(404);
    for (const id of ["ask_1", session, `${String(question.id)}x`, "x".repeat(5_000), 7, null])
      expect((await post(other.port, session, answer({ id }))).status).toBe(400);
    expect(events(call)).toHaveLength(1);
    expect((await post(other.port, session, answer(question))).status).toBe(202);
  });

  test("cannot pass for a session", async () => {
    const session = await newSession();
    const { question } = await ask(session);
    expect((await post(other.port, String(question.id), message("tools/list"))).status).toBe(404);
  });

  test("is refused when the node that asked has gone", async () => {
    const session = await newSession();
    const { question } = await ask(session);
    const [first] = nodes;
    if (first === undefined) throw new Error("no node");
    await first.store.releaseLease(first.lease);
    expect((await post(other.port, session, answer(question))).status).toBe(400);
  });
});
