import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { FeatureHttp } from "../../test/fixtures/servers/feature-http.ts";
import { httpRecord, serverRecord } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import type { CancelTimer, Clock } from "../base/index.ts";
import { systemClock, systemRandom } from "../base/index.ts";
import { Net } from "../net/index.ts";
import { profileOf } from "../registry/index.ts";
import type { ServerRecord } from "../registry/index.ts";
import { Upstreams } from "./index.ts";

/** The real clock, and how many of its timers wait. */
class CountingClock implements Clock {
  waiting = 0;

  monotonic(): ReturnType<Clock["monotonic"]> {
    return systemClock.monotonic();
  }

  wall(): ReturnType<Clock["wall"]> {
    return systemClock.wall();
  }

  after(delayMs: number, action: () => void): CancelTimer {
    this.waiting++;
    let isOver = false;
    const over = (): void => {
      if (!isOver) this.waiting--;
      isOver = true;
    };
    const cancel = systemClock.after(delayMs, () => {
      over();
      action();
    });
    return () => {
      over();
      cancel();
    };
  }
}

const stdioFixture = fileURLToPath(new URL("../../test/fixtures/servers/feature-stdio.ts", import.meta.url));
const fixtures: FeatureHttp[] = [];

/** Machines may be slow; what is waited for comes. */
const soon = (isSo: () => boolean): Promise<void> => until(isSo);

afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.stop();
});

describe("after a lively hour in short", () => {
  it("nothing is left: no timer, no socket, no process, no session, and tables stay within their bounds", async () => {
    const clock = new CountingClock();
    const net = new Net({ clock });
    const upstreams = new Upstreams({
      clock,
      random: systemRandom,
      net,
      environment: { PATH: process.env["PATH"] },
      workingDirectory: "/tmp",
      reveal: async () => "",
      allowedFor: () => ["loopback"],
      limits: {
        probeIntervalMs: 20,
        relistIntervalMs: 50,
        backoffFirstMs: 5,
        profilesMax: 4,
        profileLinesHttpMax: 2,
        profileLinesStdioMax: 1,
      },
    });
    upstreams.start();
    const modern = await new FeatureHttp({ era: "modern" }).start();
    const legacy = await new FeatureHttp({ era: "legacy" }).start();
    fixtures.push(modern, legacy);
    const args = [stdioFixture, JSON.stringify({ era: "legacy" })];
    const process_ = serverRecord({ kind: "stdio", command: process.execPath, args, env: {}, cwd: null });
    const records: ServerRecord[] = [httpRecord(modern.url), httpRecord(legacy.url), process_];
    upstreams.reconcile(records);
    const profiles = ["a", "b", "c", "d", "e", "f"].map((name) =>
      profileOf({ experimental: { [name]: {} } }),
    );
    let told = 0;
    for (const [round, profile] of profiles.entries()) {
      const stops: (() => void)[] = [];
      for (const { id } of records) {
        // What cannot be had just now is refused, and leaves nothing behind either.
        await upstreams.catalogueFor(id, profile).catch(() => undefined);
        const stop = await upstreams
          .watchResource(id, `note://${round % 3}`, profile, () => told++)
          .catch(() => undefined);
        if (stop !== undefined) stops.push(stop);
      }
      modern.server.add("tools", `tool_${round}`);
      legacy.server.add("prompts", `prompt_${round}`);
      modern.server.update(`note://${round % 3}`);
      if (round === 0) await soon(() => told > 0);
      if (round === 2) modern.breakStreams();
      if (round === 3) legacy.forgetSessions();
      for (const stop of stops) stop();
    }
    await soon(() => records.every(({ id }) => upstreams.snapshot(id)?.state === "ready"));
    for (const { id } of records) {
      const snapshot = upstreams.snapshot(id);
      expect(snapshot?.profiles).toBeLessThanOrEqual(4);
      expect(snapshot?.profileLines).toBeLessThanOrEqual(2);
      expect(snapshot?.watches).toBe(0);
    }
    await upstreams.stop();
    await net.stop();
    expect([upstreams.processCount, net.poolCount]).toEqual([0, 0]);
    await soon(() => modern.openStreams === 0 && legacy.openStreams === 0);
    // Those that bound a wait already over end by themselves, the longest of them in three seconds.
    await soon(() => clock.waiting === 0);
  });
});
