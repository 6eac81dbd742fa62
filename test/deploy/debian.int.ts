import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { debianProgram } from "./tools.ts";

/** Each file is looked at by the program that it is for. */
const deploy = join(import.meta.dirname, "../../deploy");
const directory = mkdtempSync(join(tmpdir(), "signalbox-deploy-"));
afterAll(() => rmSync(directory, { recursive: true }));

interface Ran {
  readonly code: number | null;
  readonly text: string;
}

function run(program: string, ...args: string[]): Ran {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: directory, encoding: "utf8" });
  return { code: status, text: stdout + stderr };
}

describe("Prometheus", () => {
  test("takes the alerts and its configuration, and would not take a mistake", () => {
    const promtool = debianProgram("promtool", "prometheus");
    cpSync(join(deploy, "compose/prometheus"), directory, { recursive: true });
    expect(run(promtool, "check", "rules", "alerts.yml")).toMatchObject({ code: 0 });
    // The token's file is where the container has it.
    expect(run(promtool, "check", "config", "--syntax-only", "prometheus.yml")).toMatchObject({ code: 0 });
    const wrong = readFileSync(join(directory, "alerts.yml"), "utf8").replace(
      "max by (tenant)",
      "max bye (tenant)",
    );
    writeFileSync(join(directory, "wrong.yml"), wrong);
    expect(run(promtool, "check", "rules", "wrong.yml").code).not.toBe(0);
  });

  test("rings for what it should, and for nothing else", () => {
    const promtool = debianProgram("promtool", "prometheus");
    cpSync(join(deploy, "compose/prometheus/alerts.yml"), join(directory, "alerts.yml"));
    cpSync(join(import.meta.dirname, "alerts.promtool.yaml"), join(directory, "tests.yaml"));
    expect(run(promtool, "test", "rules", "tests.yaml")).toMatchObject({ code: 0 });
  });
});

test("HAProxy takes its configuration, and would not take a mistake", () => {
  const haproxy = debianProgram("haproxy", "haproxy");
  const file = join(deploy, "compose/balancer/haproxy.cfg");
  expect(run(haproxy, "-c", "-f", file)).toMatchObject({ code: 0 });
  writeFileSync(
    join(directory, "wrong.cfg"),
    readFileSync(file, "utf8").replace("conn-failure", "everything"),
  );
  expect(run(haproxy, "-c", "-f", join(directory, "wrong.cfg")).code).not.toBe(0);
});

describe("systemd", () => {
  const unit = join(deploy, "systemd/signalbox.service");

  test("takes the unit, and would not take a mistake", () => {
    const analyze = debianProgram("systemd-analyze", "systemd");
    // The program is not installed here; another one that is stands in its place.
    const text = readFileSync(unit, "utf8").replace("/usr/bin/node", process.execPath);
    writeFileSync(join(directory, "signalbox.service"), text);
    expect(run(analyze, "verify", join(directory, "signalbox.service"))).toEqual({ code: 0, text: "" });
    writeFileSync(
      join(directory, "wrong.service"),
      text.replace("ProtectSystem=strict", "ProtectSystem=strickt"),
    );
    expect(run(analyze, "verify", join(directory, "wrong.service")).text).toContain("strickt");
  });

  test("finds little that the service is exposed by", () => {
    const analyze = debianProgram("systemd-analyze", "systemd");
    const { text } = run(analyze, "security", "--offline=true", unit);
    const exposure = Number(/Overall exposure level for \S+: (\d+\.\d+)/.exec(text)?.[1]);
    expect(exposure).toBeGreaterThan(0);
    expect(exposure).toBeLessThanOrEqual(2);
  });

  test("leaves a node the time it takes to stop", () => {
    const text = readFileSync(unit, "utf8");
    const seconds = Number(/^TimeoutStopSec=(\d+)s$/m.exec(text)?.[1]);
    expect(seconds).toBeGreaterThanOrEqual(2 * 20 + 10);
    expect(text).toMatch(/^KillSignal=SIGTERM$/m);
  });
});
