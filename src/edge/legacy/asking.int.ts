import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CallAnswer, CallInput } from "../../calls/index.ts";
import type { RawConnection, RunningEdge } from "../edge.fixture.ts";
import { startEdge } from "../edge.fixture.ts";
import { until } from "../../../test/fixtures/until.ts";
import { FakeCalls } from "../fake-calls.fixture.ts";
import type { Message } from "./session.fixture.ts";
import { end, events, listen, message, notice, openSession, post, streaming } from "./session.fixture.ts";

/** A call that asks whenever the test says so. */
class LateCalls extends FakeCalls {
  ask: (() => Promise<unknown>) | null = null;

  override call(input: CallInput): Promise<CallAnswer> {
    const { ask } = input;
    if (input.name !== "late" || ask === null) return super.call(input);
    this.ask = () => ask({ who: { method: "elicitation/create", params: { message: "Late?" } } });
    return new Promise(() => undefined);
  }
}

let node: RunningEdge;
let session: string;
const open: RawConnection[] = [];

beforeEach(async () => {
  node = await startEdge();
  session = await openSession(node.port, "token-a", { elicitation: {} });
});
afterEach(async () => {
  for (const connection of open.splice(0)) connection.destroy();
  await node.edge.stop(0);
});

/** A call that asks, and its question. */
async function asking(id: unknown = 1): Promise<{ call: RawConnection; question: Message }> {
  const call = streaming(node.port, session, message("tools/call", { name: "ask" }, id));
  open.push(call);
  await call.until(() => events(call).length > 0);
  const question = events(call)[0];
  if (question === undefined) throw new Error("no question");
  return { call, question };
}

const answered = (question: Message, result: object) =>
  JSON.stringify({ jsonrpc: "2.0", id: question.id, result });

async function outcome(call: RawConnection): Promise<string> {
  await call.until(() => events(call).length > 1);
  return JSON.stringify(events(call).at(-1)?.result?.["content"]);
}

describe("a question in mid-call", () => {
  test("travels on the call's stream and is answered by a POST at any time", async () => {
    const { call, question } = await asking();
    expect(question).toMatchObject({ method: "elicitation/create", params: { message: "Who?" } });
    const posted = await post(node.port, session, answered(question, { action: "accept", content: {} }));
    expect(posted.status).toBe(202);
    expect(await outcome(call)).toContain("accept");
  });

  test("may be answered with an error", async () => {
    const { call, question } = await asking();
    const error = { code: -1, message: "User rejected" };
    await post(node.port, session, JSON.stringify({ jsonrpc: "2.0", id: question.id, error }));
    expect(await outcome(call)).toContain("User rejected");
  });

  test("is answered once, in its own session, by its own principal", async () => {
    const { call, question } = await asking();
    const body = answered(question, { action: "accept" });
    const other = await openSession(node.port, "token-a", { elicitation: {} });
    expect((await post(node.port, session, body, "token-b")).status).toBe(404);
    expect((await post(node.port, other, body)).status).toBe(400);
    expect((await post(node.port, session, answered({ id: "ask_made_up" }, {}))).status).toBe(400);
    expect((await post(node.port, session, answered({ id: 7 }, {}))).status).toBe(400);
    expect(events(call)).toHaveLength(1);
    expect((await post(node.port, session, body)).status).toBe(202);
    expect((await post(node.port, session, body)).status).toBe(400);
    expect(await outcome(call)).toContain("accept");
  });

  test("is not put to a client that did not declare that it can be asked", async () => {
    const plain = await openSession(node.port);
    const answer = await post(node.port, plain, message("tools/call", { name: "ask" }));
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.body).toContain("did not declare elicitation");
  });

  test("goes to the session's stream when the call's is lost", async () => {
    const calls = new LateCalls();
    const late = await startEdge({ calls });
    const own = await openSession(late.port, "token-a", { elicitation: {} });
    const stream = await listen(late.port, own);
    const call = streaming(late.port, own, message("tools/call", { name: "late" }));
    open.push(stream, call);
    await until(() => calls.ask !== null);
    call.destroy();
    // The edge learns a little later that the connection is lost; what is asked before that is asked in vain.
    await until(() => {
      if (events(stream).length === 0) void calls.ask?.();
      return events(stream).length > 0;
    });
    const question = events(stream)[0] ?? {};
    expect((await post(late.port, own, answered(question, { action: "decline" }))).status).toBe(202);
    await late.edge.stop(0);
  });

  test("ends with its call, and the client is told", async () => {
    const { call } = await asking();
    await post(node.port, session, notice("notifications/cancelled", { requestId: 1 }));
    await call.until(() => call.text.endsWith("0\r\n\r\n"));
    await until(() => node.calls.aborted.includes("ask"));
  });

  test("ends with its session", async () => {
    const { call, question } = await asking();
    await end(node.port, session);
    await call.until(() => call.text.endsWith("0\r\n\r\n"));
    expect((await post(node.port, session, answered(question, {}))).status).toBe(404);
  });

  test("beyond the bound of a session is refused, and the others stay", async () => {
    const calls = [];
    for (let i = 0; i < 64; i++) calls.push(asking(i));
    const asked = await Promise.all(calls);
    const late = await post(node.port, session, message("tools/call", { name: "ask" }, "late"));
    expect(late.body).toContain("Too many questions");
    const [first] = asked;
    if (first === undefined) throw new Error("no call");
    await post(node.port, session, answered(first.question, { action: "cancel" }));
    expect(await outcome(first.call)).toContain("cancel");
  });
});
