import { afterEach, beforeEach, expect, test } from "vitest";
import { ok } from "../base/index.ts";
import type { PrincipalId } from "../identity/index.ts";
import type { AskAnswer, UpstreamReply } from "../upstream/index.ts";
import { asked, codeOf, profile, question, round, yes } from "./asking.fixture.ts";
import type { CallAnswer } from "./call.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

/** The server takes 16 calls at once: 8 of them may wait for one caller, 12 for all. */
let world: World;
let refused: AskAnswer[];
beforeEach(async () => {
  world = await openWorld();
  refused = [];
  world.upstream.answer = async ({ onAsk }): Promise<UpstreamReply> => {
    const answer = await onAsk!(question);
    if (answer.kind === "refused") refused.push(answer);
    return resultOf(JSON.stringify({ content: [] }));
  };
});
afterEach(() => world.stop());

const as = (name: string) => () => ok({ ...world.agent, id: `agent/${name}` as PrincipalId });
const park = (who: string, amount: number): Promise<CallAnswer> =>
  world.call("files__write", { path: who, amount }, {}, { profile, authenticate: as(who) });
const parkMany = (who: string, count: number): Promise<readonly CallAnswer[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => park(who, i)));

test("calls that wait for one caller leave room for others' calls and questions", async () => {
  for (const answer of await parkMany("a", 8)) expect(codeOf(answer)).toBe("input-required");
  expect(codeOf(await park("a", 8))).toBe("result");
  expect(refused).toMatchObject([{ error: { code: -32603 } }]);
  for (const answer of await parkMany("b", 4)) expect(codeOf(answer)).toBe("input-required");
});

test("calls that wait for all callers together leave room for calls that end by themselves", async () => {
  await parkMany("a", 8);
  await parkMany("b", 4);
  expect(codeOf(await park("c", 0))).toBe("result");
  expect(refused).toHaveLength(1);
});

test("a place is free again when its call was answered", async () => {
  const parked = await parkMany("a", 8);
  const [first] = parked;
  if (first === undefined) throw new Error("none");
  const { requestState } = asked(first);
  const on = { ...round(requestState, { ask1: yes }), authenticate: as("a") };
  expect(codeOf(await world.call("files__write", { path: "a", amount: 0 }, {}, on))).toBe("result");
  expect(codeOf(await park("a", 9))).toBe("input-required");
  expect(refused).toEqual([]);
});

test("a place is free again when its server ended the call without the answer", async () => {
  const ends: (() => void)[] = [];
  world.upstream.answer = ({ onAsk }) => {
    void onAsk!(question);
    return new Promise((resolve) => ends.push(() => resolve(resultOf('{"content":[]}'))));
  };
  await parkMany("a", 8);
  for (const end of ends.splice(0)) end();
  await expect.poll(() => world.line.callsUnderWay).toBe(0);
  for (const answer of await parkMany("a", 8)) expect(codeOf(answer)).toBe("input-required");
});

test("a caller in a session takes places alike", async () => {
  const answers: (() => void)[] = [];
  const ask = () =>
    new Promise<Readonly<Record<string, AskAnswer>>>((resolve) =>
      answers.push(() => resolve({ ask: { kind: "answer", result: yes } })),
    );
  const inSession = (amount: number) =>
    world.call("files__write", { path: "a", amount }, {}, { profile, ask, authenticate: as("a") });
  const pending = Array.from({ length: 8 }, (_, i) => inSession(i));
  await expect.poll(() => answers.length).toBe(8);
  expect(codeOf(await inSession(8))).toBe("result");
  expect(refused).toHaveLength(1);
  for (const answer of answers) answer();
  for (const answer of await Promise.all(pending)) expect(codeOf(answer)).toBe("result");
});
