import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import type { Mood } from "../fixtures/servers/gauge-program.ts";

/** The server is well all the time, and answers its own probes: only a call of the tool shows that the tool does not work. */
const program = fileURLToPath(new URL("../fixtures/servers/gauge-program.ts", import.meta.url));

let directory: string;
let node: NodeProcess;
beforeAll(async () => {
  directory = newDirectory();
  mkdirSync(join(directory, "gauge"));
  mood("well");
  node = await NodeProcess.start({
    directory,
    yaml: `
servers:
  gauge:
    command: ${JSON.stringify(process.execPath)}
    args: ${JSON.stringify([program, asked(), join(directory, "gauge", "mood")])}
    callTimeout: 2s
    tools:
      read: { class: read, probe: { arguments: { place: probe }, every: 10s } }
`,
  });
  await node.toolsAre(["gauge__read", "gauge__set"]);
});
afterAll(async () => {
  await node.stop();
  removeDirectory(directory);
});

const asked = () => join(directory, "gauge", "asked");
const mood = (how: Mood) => writeFileSync(join(directory, "gauge", "mood"), how);
const probes = () => (existsSync(asked()) ? readFileSync(asked(), "utf8").split("probe\n").length - 1 : 0);
const isShown = async () => (await node.tools()).includes("gauge__read");
const withinMs = 60_000;

interface Shown {
  readonly tool: {
    readonly health: { readonly state: string; readonly reason?: string };
    readonly probed: { readonly at: string; readonly found: string; readonly reason: string | null } | null;
  };
}
const shown = async () => (await node.admin<Shown>("GET", "/tools/gauge__read")).body.tool;
async function health(): Promise<string> {
  const response = await fetch(`${node.url}/metrics`, {
    headers: { Authorization: `Bearer ${node.adminKey}` },
  });
  const lines = (await response.text()).split("\n");
  return lines.filter((line) => line.startsWith("signalbox_tool_health{")).join("\n");
}

test("a tool that starts failing is hidden from agents, who are told why, and is back when it works again", async () => {
  await until(async () => (await shown()).probed?.found === "well", withinMs);
  expect((await shown()).health.state).toBe("healthy");
  expect(await health()).toContain('tool="gauge__read",state="healthy",cause="none"');

  mood("broken");
  await until(async () => !(await isShown()), withinMs);
  const reason = "it answered a probe with an error: the gauge is stuck";
  expect(await shown()).toMatchObject({
    health: { state: "down", cause: "dependency", reason },
    probed: { found: "ill", reason },
  });
  expect(await health()).toContain('tool="gauge__read",state="down",cause="dependency"');
  const refused = await node.call("gauge__read", { place: "boiler" });
  expect(refused).toMatchObject({ code: "tool-unavailable", effect: "none" });
  expect(refused.text).toContain(`"gauge__read" is down (dependency): ${reason}`);
  expect(refused.text).not.toContain("server");
  expect(await node.call("gauge__set", { place: "boiler" })).toMatchObject({ code: null, text: "set" });
  const server = await node.admin<{ server: unknown; offers: unknown }>("GET", "/servers/gauge");
  expect(server.body).toMatchObject({
    server: { health: { state: "healthy" } },
    offers: { tools: 2, toolsCallable: 1 },
  });

  await until(() => node.log.includes('"msg":"a tool is down"'));

  mood("well");
  await until(isShown, withinMs);
  await until(() => node.log.includes('"msg":"a tool can be called again"'));
  expect((await shown()).health.state).toBe("healthy");
  expect(await node.call("gauge__read", { place: "boiler" })).toMatchObject({ code: null, text: "7 bar" });
});

test("a node stops at once while a probe hangs, and each probe is an entry", async () => {
  const before = probes();
  mood("hangs");
  await until(() => probes() > before, withinMs);
  await node.stop();
  const { entries } = await provenLedger(directory);
  const own = entries.filter(
    ({ subject, principals }) => subject?.endsWith("/read") && principals[0]?.startsWith("service/"),
  );
  expect(own).toHaveLength(probes());
});
