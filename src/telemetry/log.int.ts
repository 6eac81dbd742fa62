import { execFileSync } from "node:child_process";
import { createReadStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/index.ts";
import { createLog } from "./log.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "signalbox-log-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("the log", () => {
  test("writes structured lines to a file that only we can read, without the canary secret", async () => {
    const path = join(directory, "node.log");
    const log = createLog({ level: "info", destination: { kind: "file", path }, clock: systemClock });
    log.debug("not on");
    log.info("connected to Bearer c4n4ry\nfake line", {
      server: "files",
      headers: { authorization: "c4n4ry" },
    });
    log.child({ room: "edge", token: "c4n4ry" }).error("failed", { error: new Error("sbk_c4n4ry") });
    log.line('{"msg":"call"}\n');
    await log.close(1000);
    const text = readFileSync(path, "utf8");
    expect(text).not.toContain("c4n4ry");
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(3);
    expect(lines[0]?.["msg"]).toBe("connected to Bearer [secret] line");
    expect(lines[0]).toMatchObject({
      level: "info",
      server: "files",
      headers: { authorization: "[secret]" },
    });
    expect(lines[1]).toMatchObject({ level: "error", room: "edge", token: "[secret]" });
    expect(execFileSync("stat", ["-c", "%a", path], { encoding: "utf8" }).trim()).toBe("600");
  });

  test("drops and counts lines when the sink blocks, keeps order, and goes on when it takes again", async () => {
    const path = join(directory, "pipe");
    execFileSync("mkfifo", [path]);
    const log = createLog({
      level: "info",
      destination: { kind: "file", path },
      clock: systemClock,
      bytesMax: 300_000,
    });
    const line = (i: number) => `{"i":${i},"pad":"${"x".repeat(80)}"}\n`;
    // Nobody reads the pipe yet: opening it hangs, and none of this may.
    for (let i = 0; i < 10_000; i++) log.line(line(i));
    expect(log.stats().linesDropped).toBeGreaterThan(5000);
    expect(log.stats().bytesWaiting).toBeLessThanOrEqual(300_000);
    const kept = 10_000 - log.stats().linesDropped;
    const chunks: Buffer[] = [];
    const reader = createReadStream(path);
    reader.on("data", (chunk) => chunks.push(chunk as Buffer));
    const ended = new Promise<void>((resolve) => reader.once("close", () => resolve()));
    await log.close(10_000);
    await ended;
    const seen = Buffer.concat(chunks)
      .toString("utf8")
      .trimEnd()
      .split("\n")
      .map((text) => (JSON.parse(text) as { i: number }).i);
    expect(seen).toEqual(Array.from({ length: kept }, (_, i) => i));
    expect(log.stats().linesWritten).toBe(kept);
  });

  test("makes a line when it is written, and keeps its place", async () => {
    const path = join(directory, "node.log");
    const log = createLog({ level: "info", destination: { kind: "file", path }, clock: systemClock });
    let made = 0;
    log.info("before");
    log.line(() => `{"msg":"call ${++made}"}\n`);
    log.info("after");
    expect(made).toBe(0);
    await log.close(1000);
    const messages = readFileSync(path, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(messages).toEqual(["before", "call 1", "after"]);
    expect(log.stats()).toMatchObject({ linesWritten: 3, linesDropped: 0, bytesWaiting: 0 });
  });

  test("closing gives up on a sink that never takes anything", async () => {
    const log = createLog({
      level: "info",
      destination: { kind: "file", path: join(directory, "missing", "node.log") },
      clock: systemClock,
    });
    log.info("nobody will read this");
    await log.close(50);
    await log.close(50);
    expect(log.stats()).toMatchObject({ linesWritten: 0, linesDropped: 1 });
    log.info("too late");
    expect(log.stats().linesDropped).toBe(2);
  });
});
