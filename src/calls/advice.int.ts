import { afterEach, beforeEach, expect, test } from "vitest";
import { HttpFixture } from "../../test/fixtures/servers/http.ts";
import { httpRecord, stdioRecord, UpstreamHarness } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import { deadlineIn, systemClock } from "../base/index.ts";
import type { ServerRecord } from "../registry/index.ts";
import type { World } from "./world.fixture.ts";
import { openWorld } from "./world.fixture.ts";

let world: World;
let harness: UpstreamHarness;
beforeEach(async () => {
  world = await openWorld();
  harness = new UpstreamHarness();
});
afterEach(async () => {
  await world.stop();
  await harness.stop();
});

/** The caller of an effect goes away while `tool` of a real server runs; what is recorded then. */
async function outcomesAfterLeaving(server: ServerRecord, tool: string): Promise<string[]> {
  await harness.connect(server);
  let wasDispatched = false;
  world.upstream.answer = (request) =>
    // The world's clock stands still; sockets and processes need one that goes.
    harness.upstreams.exchange({
      ...request,
      server,
      name: tool,
      argumentsText: '{"ms":100}',
      deadline: deadlineIn(systemClock, 10_000),
      mayDispatch: () => (wasDispatched = request.mayDispatch()),
    });
  const caller = new AbortController();
  const call = world.call("files__write", {}, {}, { signal: caller.signal });
  await until(() => wasDispatched);
  caller.abort();
  await call;
  return world.outcomes();
}

test("an effect at a stdio server that was told that its caller has gone is recorded as succeeded", async () => {
  const server = stdioRecord({});
  expect(await outcomesAfterLeaving(server, "until_cancelled")).toEqual(["intent:-", "outcome:succeeded"]);
  expect(JSON.parse(await harness.say(server, "cancellations"))).toHaveLength(1);
});

test.each([
  { era: "legacy", tool: "until_cancelled", told: 1 },
  { era: "modern", tool: "slow", told: 0 },
] as const)(
  "an effect at a $era HTTP server, told $told times that its caller has gone, is recorded as succeeded",
  async ({ era, tool, told }) => {
    const fixture = new HttpFixture({ era });
    await fixture.start();
    try {
      const server = httpRecord(fixture.url);
      expect(await outcomesAfterLeaving(server, tool)).toEqual(["intent:-", "outcome:succeeded"]);
      expect(fixture.mcp.cancelled).toHaveLength(told);
      expect(fixture.abandoned).toBe(0);
    } finally {
      await fixture.stop();
    }
  },
);
