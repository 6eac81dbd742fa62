import { afterEach, beforeEach, expect, test } from "vitest";
import { delay } from "../base/index.ts";
import { metaKeys } from "../../contract/index.ts";
import { recoverCalls } from "./index.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

const meta = { [metaKeys.key]: "k1" };

let world: World;
let other: Awaited<ReturnType<World["secondNode"]>>;
let answer: () => void;

/** A call of the first node is under way, and the same comes to the second. */
beforeEach(async () => {
  world = await openWorld();
  other = await world.secondNode();
  answer = () => {
    throw new Error("nothing was sent yet");
  };
});

afterEach(async () => {
  await other.stop();
  await world.stop();
});

/** Once its bytes have left. */
async function sent(): Promise<{ readonly end: ReturnType<World["call"]> }> {
  const isSent = new Promise<void>((resolve) => {
    world.upstream.answer = () => {
      resolve();
      return new Promise((answered) => {
        answer = () => answered(resultOf('{"content":[{"type":"text","text":"done"}]}'));
      });
    };
  });
  const end = world.call("files__write", { path: "a" }, meta);
  await world.tickUntil(isSent);
  return { end };
}

test("who comes to another node gets the outcome of the call that is under way, and it is sent once", async () => {
  const first = await sent();
  const second = other.call("files__write", { path: "a" }, meta);
  await world.tickUntil(delay(world.clock, 5_000)); // longer than anybody goes round for
  answer();
  await world.tickUntil(Promise.all([first.end, second]));
  const joined = await second;
  expect(joined.kind === "result" && JSON.parse(joined.text)).toMatchObject({ content: [{ text: "done" }] });
  expect(world.upstream.sent).toHaveLength(1);
});

test("when that node dies, it is told that the outcome is unknown as soon as its work is taken over", async () => {
  await sent();
  const second = other.call("files__write", { path: "a" }, meta);
  await world.tickUntil(delay(world.clock, 5_000)); // longer than anybody goes round for
  expect(world.records).toHaveLength(0); // it still waits
  await recoverCalls({ ...world, node: { name: "local", fence: 2 } });
  await world.tickUntil(second);
  expect(await second).toMatchObject({ kind: "refused", refusal: { code: "outcome-unknown" } });
  expect(world.upstream.sent).toHaveLength(1);
});
