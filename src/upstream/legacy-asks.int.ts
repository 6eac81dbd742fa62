import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { faultOf } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import { able, answer, answering, answersSeen, elicit, refusal } from "../../test/fixtures/wire-asks.ts";
import { callOf, saidIn, WireHarness } from "../../test/fixtures/wire-harness.ts";
import { profileOf } from "../registry/index.ts";
import type { Ask, AskAnswer, UpstreamRequest } from "./index.ts";

let harness: WireHarness;

beforeEach(() => {
  harness = new WireHarness();
});

afterEach(async () => {
  await harness.stop();
  expect(harness.net.poolCount).toBe(0);
});

describe("a legacy server that asks", () => {
  describe.each([
    {
      name: "HTTP",
      open: () => harness.overHttp({ era: "legacy", answersAs: "events", sessions: true }, able),
    },
    { name: "stdio", open: () => harness.overStdio({ era: "legacy" }, able) },
    { name: "HTTP+SSE", open: () => harness.overHttp({ era: "legacy", oldTransport: true }, able) },
  ])("over $name", ({ open }) => {
    it("asks the caller of the call, and gets the answer", async () => {
      const { wire, server } = await open();
      const asked: Ask[] = [];
      const asks = [elicit("q-1"), { id: 2, method: "roots/list" }, { id: 1, method: "ping" }];
      const over = { profile: able, onAsk: answering("me", asked) };
      expect(saidIn(await wire.exchange(callOf(server, "asks", { asks }, over)))).toEqual([
        answer("q-1", "me"),
        answer(2, "me"),
        expect.objectContaining({ id: 1, result: {} }),
      ]);
      expect(asked.map(({ method }) => method)).toEqual(["elicitation/create", "roots/list"]);
      expect(asked[0]?.params).toMatchObject({ message: "Who?" });
    });

    it("is refused what was not declared, what is too long, and where nobody can be asked", async () => {
      const { wire, server } = await open();
      const asked: Ask[] = [];
      const say = async (ask: object, over: Partial<UpstreamRequest>): Promise<unknown> =>
        saidIn(await wire.exchange(callOf(server, "asks", { asks: [ask] }, over)));
      const forms = { profile: profileOf({ elicitation: {} }), onAsk: answering("me", asked) };
      expect(await say({ id: 1, method: "sampling/createMessage", params: {} }, forms)).toEqual([
        refusal(1, -32601),
      ]);
      expect(await say({ id: 2, method: "elicitation/create", params: { mode: "url" } }, forms)).toEqual([
        refusal(2, -32602),
      ]);
      expect(await say({ id: 3, method: "tools/call", params: {} }, forms)).toEqual([refusal(3, -32601)]);
      expect(await say(elicit(4, "x".repeat(1_000_000)), forms)).toEqual([refusal(4, -32602)]);
      expect(await say(elicit(5), { profile: able })).toEqual([refusal(5, -32601)]);
      const broken = { profile: able, onAsk: () => Promise.reject(new Error("gone")) };
      expect(await say(elicit(6), broken)).toEqual([refusal(6, -32603)]);
      expect(asked).toEqual([]);
    });

    it("gets one answer for one question asked twice, and refusals for a flood", async () => {
      const { wire, server, owner } = await open();
      const asked: Ask[] = [];
      const waiting: (() => void)[] = [];
      const onAsk = async (ask: Ask): Promise<AskAnswer> => {
        asked.push(ask);
        await new Promise<void>((resolve) => waiting.push(resolve));
        return { kind: "answer", result: { action: "decline" } };
      };
      const asks = Array.from({ length: 12 }, (_, i) => elicit(i));
      const work = wire.exchange(callOf(server, "asks", { asks, times: 2 }, { profile: able, onAsk }));
      await until(() => owner.count("refused-request") >= 8 && owner.count("repeated") === 8);
      expect(asked).toHaveLength(8);
      for (const resolve of waiting) resolve();
      const answers = saidIn(await work) as { id: number; error?: unknown }[];
      expect(answers.filter(({ error }) => error === undefined)).toHaveLength(8);
    });

    it("is not answered after the call has ended, nor when its caller has gone", async () => {
      const { wire, server } = await open();
      let resolve: (answer: AskAnswer) => void = () => undefined;
      const late = new Promise<AskAnswer>((settle) => (resolve = settle));
      const over = { profile: able, onAsk: () => late };
      await wire.exchange(callOf(server, "asks", { asks: [elicit("late")], waits: false }, over));
      resolve({ kind: "answer", result: { action: "accept", content: { secret: "too late" } } });
      const gone = new AbortController();
      gone.abort();
      const asked: Ask[] = [];
      const nobody = { profile: able, advice: gone.signal, onAsk: answering("nobody", asked) };
      expect(saidIn(await wire.exchange(callOf(server, "asks", { asks: [elicit("gone")] }, nobody)))).toEqual(
        [refusal("gone", -31207)],
      );
      expect(asked).toEqual([]);
      const seen = await answersSeen(wire, server, '"late"');
      expect(seen.map((text) => JSON.parse(text) as unknown)).toContainEqual(refusal("late", -31207));
      expect(seen.join()).not.toContain("too late");
    });

    it("that takes a question back gets no answer to it", async () => {
      const { wire, server } = await open();
      let resolve: (answer: AskAnswer) => void = () => undefined;
      const onAsk = (ask: Ask): Promise<AskAnswer> =>
        ask.params["message"] === "Who?"
          ? new Promise((settle) => (resolve = settle))
          : answering("still there")(ask);
      const args = { asks: [elicit("back")], withdraws: true, waits: false };
      await wire.exchange(callOf(server, "asks", args, { profile: able, onAsk }));
      resolve({ kind: "answer", result: { action: "accept" } });
      const asks = [elicit("later", "And now?")];
      await wire.exchange(callOf(server, "asks", { asks }, { profile: able, onAsk }));
      const seen = await answersSeen(wire, server, '"later"');
      expect(seen.join()).not.toContain('"back"');
    });

    it("may not ask for a task or by a result", async () => {
      const { wire, server } = await open();
      for (const result of [
        { resultType: "input_required", requestState: "x" },
        { resultType: "task", taskId: "1", status: "working" },
      ]) {
        const call = callOf(server, "raw_result", { result }, { profile: able });
        expect(await faultOf(wire.exchange(call))).toMatchObject({ code: "upstream-garbage" });
      }
    });

    it("that wants a page visited first asks for that, of who can", async () => {
      const { wire, server } = await open();
      const page = { mode: "url", message: "Sign in", url: "https://example.com/" };
      const error = {
        code: -32042,
        message: "URL elicitation required",
        data: { elicitations: [{ ...page, elicitationId: "e1" }] },
      };
      const asked = await wire.exchange(callOf(server, "raw_error", { error }, { profile: able }));
      expect(asked).toMatchObject({ kind: "input-required", requestState: null });
      expect(JSON.parse(asked.kind === "input-required" ? asked.raw : "")).toEqual({
        resultType: "input_required",
        inputRequests: { "url-1": { method: "elicitation/create", params: page } },
      });
      expect(await wire.exchange(callOf(server, "raw_error", { error }))).toMatchObject({ kind: "error" });
    });

    it("that does not have a resource is understood as in the newer era", async () => {
      const { wire, server } = await open();
      const read = callOf(server, "file:///none", {}, { method: "resources/read" });
      expect(await wire.exchange(read)).toMatchObject({ kind: "rejected", error: { code: -32602 } });
    });
  });

  it("asks nobody on the stream of a call that was answered", async () => {
    const options = { era: "legacy", answersAs: "events", keepsStreamOpen: true } as const;
    const { wire, server, owner } = await harness.overHttp(options, able);
    const asked: Ask[] = [];
    const over = { profile: able, onAsk: answering("too late", asked) };
    await wire.exchange(
      callOf(server, "asks", { asks: [elicit("late")], afterAnswer: true, waits: false }, over),
    );
    const seen = await answersSeen(wire, server, '"late"');
    expect(seen.map((text) => JSON.parse(text) as unknown)).toEqual([refusal("late", -31207)]);
    expect(owner.count("refused-request")).toBe(1);
    expect(asked).toEqual([]);
  });

  it("that floods its client with questions and takes no answers costs a bounded number of requests", async () => {
    const { wire, server, fixture, owner } = await harness.overHttp(
      { era: "legacy", answersAs: "events" },
      able,
    );
    const asks = Array.from({ length: 2_000 }, (_, i) => elicit(i));
    await wire.exchange(callOf(server, "asks", { asks, waits: false }));
    await until(() => owner.count("refused-request") > 2_000);
    expect(fixture.mcp.answersToUs.length).toBeLessThan(2_000);
    expect(wire.inFlight).toBe(0);
  });

  describe.each([
    { name: "stdio", spoken: false, open: () => harness.overStdio({ era: "legacy" }, able) },
    {
      name: "HTTP+SSE",
      spoken: false,
      open: () => harness.overHttp({ era: "legacy", oldTransport: true }, able),
    },
    {
      name: "the GET stream of HTTP",
      spoken: true,
      open: async () => {
        const connected = await harness.overHttp({ era: "legacy", speaks: true, sessions: true }, able);
        await until(() => connected.fixture.spoken.size === 1);
        return connected;
      },
    },
  ])("with one stream for all ($name)", ({ open, spoken }) => {
    it("asks the only call there is", async () => {
      const { wire, server } = await open();
      const over = { profile: able, onAsk: answering("me") };
      const call = callOf(server, "asks", { asks: [elicit("q")], spoken }, over);
      expect(saidIn(await wire.exchange(call))).toEqual([answer("q", "me")]);
    });

    it("asks nobody when the call it asks in cannot be told from another that fails", async () => {
      const { wire, server, owner } = await open();
      const asked: Ask[] = [];
      const over = { profile: able, onAsk: answering("wrong", asked) };
      const given = new AbortController();
      const hanging = wire.exchange(callOf(server, "hang", {}, { ...over, signal: given.signal }));
      const asking = wire.exchange(callOf(server, "asks", { asks: [elicit("q")], spoken }, over));
      // What comes after the question on its stream shows that the question was read.
      if (spoken) {
        await until(() => harness.fixtures[0]?.mcp.executed.get("asks") === 1);
        harness.fixtures[0]?.speak('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
        await until(() => owner.count("notifications/tools/list_changed") === 1);
      } else {
        await until(
          () => harness.fixtures[0] === undefined || harness.fixtures[0].mcp.executed.get("asks") === 1,
        );
        await wire.exchange(callOf(server, "echo", {}));
      }
      given.abort();
      expect(await faultOf(hanging)).toMatchObject({ code: "cancelled" });
      expect(saidIn(await asking)).toEqual([refusal("q", -32601)]);
      expect(asked).toEqual([]);
    });

    it("asks the one that is left when the others were answered", async () => {
      const { wire, server } = await open();
      const asked: Ask[] = [];
      const other = { profile: able, onAsk: answering("other", asked) };
      const slow = wire.exchange(callOf(server, "slow", { ms: 300 }, other));
      const asking = callOf(
        server,
        "asks",
        { asks: [elicit("q")], spoken },
        { ...other, onAsk: answering("me") },
      );
      const answers = wire.exchange(asking);
      await slow;
      expect(saidIn(await answers)).toEqual([answer("q", "me")]);
      expect(asked).toEqual([]);
    });

    it("is refused when no call is open", async () => {
      const { wire, server, owner } = await open();
      const asked: Ask[] = [];
      const args = { asks: [{ id: "x", method: "ping" }], waits: false, spoken };
      await wire.exchange(callOf(server, "asks", args, { profile: able, onAsk: answering("", asked) }));
      if (harness.fixtures[0] !== undefined)
        harness.fixtures[0].speak(JSON.stringify({ jsonrpc: "2.0", ...elicit("after") }));
      if (harness.fixtures[0] !== undefined) await until(() => owner.count("refused-request") === 1);
      expect(asked).toEqual([]);
    });
  });
});
