import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modernMeta } from "../../src/edge/edge.fixture.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { FeatureHttp } from "../fixtures/servers/feature-http.ts";

/** Two servers whose catalogues depend on what their client can do, one of each era, behind one node. */
const directory = newDirectory();
let older: FeatureHttp;
let newer: FeatureHttp;
let node: NodeProcess;

const asking = { elicitation: { form: {} } };

beforeAll(async () => {
  older = await new FeatureHttp({ era: "legacy" }).start();
  newer = await new FeatureHttp({ era: "modern" }).start();
  node = await NodeProcess.start({
    directory,
    yaml: `servers: { older: { url: "${older.url}" }, newer: { url: "${newer.url}" } }`,
  });
  await node.toolsAre(["older__plain", "newer__plain"]);
});
afterAll(async () => {
  await node.stop();
  await older.stop();
  await newer.stop();
  removeDirectory(directory);
});

const post = (method: string, capabilities: object, params: object = {}) => {
  const meta = { ...modernMeta, "io.modelcontextprotocol/clientCapabilities": capabilities };
  return fetch(`${node.url}/mcp`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${node.agentToken}`,
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      "MCP-Protocol-Version": "2026-07-28",
      "Mcp-Method": method,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } }),
  });
};

const list = async (
  method: "tools/list" | "resources/list" | "prompts/list",
  capabilities: object = {},
): Promise<string[]> => {
  const response = await post(method, capabilities);
  const body = (await response.json()) as { result: Record<string, { name: string; uri?: string }[]> };
  return (body.result[method.slice(0, method.indexOf("/"))] ?? []).map(({ name, uri }) => uri ?? name);
};

/** What the stream says up to and with these words; the test's own deadline ends the wait. */
async function readUntil(stream: AsyncIterator<Uint8Array>, words: string): Promise<void> {
  let text = "";
  for (const decoder = new TextDecoder(); !text.includes(words);) {
    const { done, value } = await stream.next();
    if (done === true) throw new Error(`the stream ended without "${words}": ${text}`);
    text += decoder.decode(value, { stream: true });
  }
}

describe("clients with different capabilities", () => {
  test("are each shown what the servers of both eras offer to their kind, the first of a kind too", async () => {
    const plain = ["newer__control", "newer__plain", "older__control", "older__plain"];
    expect(await list("tools/list")).toEqual(plain);
    expect(await list("tools/list", asking)).toEqual(
      [...plain, "newer__ask_user", "older__ask_user"].toSorted(),
    );
    expect(await list("prompts/list", asking)).toEqual([
      "newer__greet",
      "newer__interview",
      "older__greet",
      "older__interview",
    ]);
    expect(await list("prompts/list")).toEqual(["newer__greet", "older__greet"]);
    expect(await list("tools/list")).toEqual(plain);
  });

  test("share a URI that both servers list, which belongs to one of them", async () => {
    expect(await list("resources/list")).toEqual(["note://plain"]);
    const found = await node.admin<{ items: { uri: string; hiddenBy: string | null }[] }>(
      "GET",
      "/resources",
    );
    const plain = found.body.items.filter(({ uri }) => uri === "note://plain");
    expect(plain.filter(({ hiddenBy }) => hiddenBy === null)).toHaveLength(1);
    expect(plain).toHaveLength(2);
  });

  test("see what a server adds for their kind, and no others do", async () => {
    for (const { server } of [older, newer]) {
      server.add("prompts", "for-all");
      server.add("prompts", "for-askers", "elicitation");
    }
    const both = (name: string) => [`newer__${name}`, `older__${name}`];
    await until(async () => {
      const seen = await list("prompts/list", asking);
      return [...both("for-all"), ...both("for-askers")].every((name) => seen.includes(name));
    });
    await until(async () => {
      const seen = await list("prompts/list");
      return both("for-all").every((name) => seen.includes(name));
    });
    for (const name of both("for-askers")) expect(await list("prompts/list")).not.toContain(name);
  });

  test("change nothing about each other's tools: nothing is quarantined and nothing is gone", async () => {
    await list("tools/list", { sampling: {} });
    await list("tools/list", asking);
    const { body } = await node.admin<{ items: { name: string; state: string }[] }>("GET", "/tools");
    expect(body.items.map(({ state }) => state)).toEqual(body.items.map(() => "live"));
    expect(body.items.map(({ name }) => name)).toContain("older__ask_user");
    const shown = await node.admin<{ offers: { profiles: number } }>("GET", "/servers/older");
    expect(shown.body.offers.profiles).toBeGreaterThan(1);
  });

  test("are told when a list changes, be it by a server or by other policies", async () => {
    const wanted = { toolsListChanged: true, promptsListChanged: true };
    const response = await post("subscriptions/listen", {}, { notifications: wanted });
    if (response.body === null) throw new Error("it is a stream");
    const stream = response.body[Symbol.asyncIterator]();
    await readUntil(stream, "notifications/subscriptions/acknowledged");
    newer.server.add("prompts", "later");
    await readUntil(stream, "notifications/prompts/list_changed");
    const text = `permit (principal is Person in Role::"admin", action in Action::"admin", resource);
      permit (principal, action, resource in Server::"newer");`;
    const set = await node.admin("PUT", "/policies", { sources: [{ name: "p.cedar", text }] });
    expect(set.status).toBe(200);
    await readUntil(stream, "notifications/tools/list_changed");
    await stream.return?.();
    expect((await list("tools/list")).filter((name) => name.startsWith("older__"))).toEqual([]);
    expect((await list("prompts/list")).filter((name) => name.startsWith("older__"))).toEqual([]);
  });
});
