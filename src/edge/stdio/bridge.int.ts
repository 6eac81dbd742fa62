import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../base/index.ts";
import { defaultTenant } from "../../identity/index.ts";
import type { RunningEdge } from "../edge.fixture.ts";
import { modernMeta, startEdge } from "../edge.fixture.ts";
import { until } from "../../../test/fixtures/until.ts";
import { sealingWith } from "../legacy/sealing.fixture.ts";
import { paramHeadersOf } from "../modern/param-headers.ts";
import { Bridge, Lines } from "./index.ts";
import type { Link, Target } from "./index.ts";

interface Line {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string };
}

/** Leads to whichever node the test says. */
class TestLink implements Link {
  url: string;
  token: string | null = "token-a";
  /** What becomes of it when a node is lost. */
  next: () => string = () => this.url;
  losses = 0;

  constructor(url: string) {
    this.url = url;
  }

  target(): Promise<Target> {
    return Promise.resolve({ url: this.url, token: this.token });
  }

  lost(): Promise<Target> {
    this.losses++;
    this.url = this.next();
    return this.target();
  }
}

let node: RunningEdge;
let link: TestLink;
let bridge: Bridge;
let lines: string[];
let said: string[];
const key = Buffer.alloc(32, 7);

beforeEach(async () => {
  node = await startEdge({ sessionSealing: sealingWith(key) });
  link = new TestLink(node.url);
  lines = [];
  said = [];
  bridge = bridgeTo(link);
});
afterEach(async () => {
  await bridge.finish(0);
  await node.edge.stop(0);
});

const bridgeTo = (to: Link): Bridge =>
  new Bridge({
    clock: systemClock,
    link: to,
    write: (line) => lines.push(line),
    say: (sentence) => said.push(sentence),
  });

const written = (): readonly Line[] => lines.map((line) => JSON.parse(line) as Line);

async function answerTo(id: unknown): Promise<Line> {
  await until(() => written().some((line) => line.id === id && line.method === undefined));
  return written().find((line) => line.id === id && line.method === undefined) ?? {};
}

const send = (message: object): void => bridge.receive(JSON.stringify({ jsonrpc: "2.0", ...message }));

async function ask(id: unknown, method: string, params: object = {}): Promise<Line> {
  send({ id, method, params });
  return answerTo(id);
}

const modern = (params: object = {}) => ({ ...params, _meta: modernMeta });

async function begin(capabilities: object = {}): Promise<void> {
  const clientInfo = { name: "raw", version: "1" };
  await ask("begin", "initialize", { protocolVersion: "2025-11-25", capabilities, clientInfo });
  send({ method: "notifications/initialized" });
}

const keptSessions = async (of: RunningEdge) =>
  Number(/signalbox_edge_legacy_sessions (\d+)/.exec(await of.metricsText())?.[1]);

describe("a client of the older era", () => {
  test("has a session, calls, is told progress, and hears of changes", async () => {
    await begin();
    expect((await ask(1, "tools/list")).result?.["tools"]).toHaveLength(1);
    await ask(2, "tools/call", { name: "progress", _meta: { progressToken: "mine" } });
    expect(written().filter(({ method }) => method === "notifications/progress")).toHaveLength(3);
    await until(async () => (await keptSessions(node)) === 1);
    node.edge.listChanged(defaultTenant, ["tools"]);
    await until(() => written().some(({ method }) => method === "notifications/tools/list_changed"));
  });

  test("answers a question in mid-call", async () => {
    await begin({ elicitation: {} });
    send({ id: 1, method: "tools/call", params: { name: "ask" } });
    await until(() => written().some(({ method }) => method === "elicitation/create"));
    const question = written().find(({ method }) => method === "elicitation/create");
    send({ id: question?.id, result: { action: "accept" } });
    expect(JSON.stringify((await answerTo(1)).result)).toContain("accept");
  });

  test("withdraws a call, which then has no answer", async () => {
    await begin();
    send({ id: 1, method: "tools/call", params: { name: "wait" } });
    await until(() => node.calls.inputs.length === 1);
    send({ method: "notifications/cancelled", params: { requestId: 1 } });
    await until(() => node.calls.aborted.length === 1);
    expect((await ask(2, "ping")).result).toEqual({});
    expect(written().some(({ id }) => id === 1)).toBe(false);
  });

  test("goes on with its session, and what it subscribed to, at the node that comes after", async () => {
    await begin();
    await ask(1, "resources/subscribe", { uri: "test://plain" });
    await until(async () => (await keptSessions(node)) === 1);
    const after = await startEdge({ sessionSealing: sealingWith(key) });
    link.next = () => after.url;
    await node.edge.stop(0);
    expect((await ask(2, "tools/list")).result?.["tools"]).toHaveLength(1);
    await until(() => after.calls.subscriptions.size === 1);
    after.calls.updated("test://plain");
    await until(() => written().some(({ method }) => method === "notifications/resources/updated"));
    await bridge.finish(0);
    await after.edge.stop(0);
  });

  test("says to the node that comes after what the one before did not hear", async () => {
    const clientInfo = { name: "raw", version: "1" };
    await ask("begin", "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
    const after = await startEdge({ sessionSealing: sealingWith(key) });
    link.next = () => after.url;
    await node.edge.stop(0);
    send({ method: "notifications/initialized" });
    // The stream for what belongs to no request is opened after it.
    await until(async () => (await keptSessions(after)) === 1);
    expect(said).toEqual([]);
    await bridge.finish(0);
    await after.edge.stop(0);
  });

  test("is given another session by a node that does not know its own", async () => {
    await begin({ roots: {} });
    const other = await startEdge();
    link.next = () => other.url;
    await node.edge.stop(0);
    await ask(1, "tools/call", { name: "echo" });
    expect(other.calls.inputs[0]?.profile.capabilities).toEqual({ roots: {} });
    await bridge.finish(0);
    await other.edge.stop(0);
  });
});

describe("a client of the newer era", () => {
  test("discovers, lists and calls; results of several lines become one", async () => {
    node.calls.rawText = '{\n  "content": [{ "type": "text",\n "text": "a\\nb" }]\n}';
    expect((await ask(1, "server/discover", modern())).result).toHaveProperty("supportedVersions");
    expect((await ask("two", "tools/list", modern())).result?.["tools"]).toHaveLength(1);
    const { result } = await ask(3, "tools/call", modern({ name: "raw" }));
    expect(result?.["content"]).toEqual([{ type: "text", text: "a\nb" }]);
    expect(lines.every((line) => !line.includes("\n"))).toBe(true);
    expect((await ask(4, "no/such", modern())).error?.code).toBe(-32601);
  });

  test("withdraws a call by a notification, which closes it", async () => {
    send({ id: 1, method: "tools/call", params: modern({ name: "wait" }) });
    await until(() => node.calls.inputs.length === 1);
    send({ method: "notifications/cancelled", params: { requestId: 1 } });
    await until(() => node.calls.aborted.length === 1);
    expect(written()).toEqual([]);
  });

  test("listens, and is told when a stopping node ends that", async () => {
    send({
      id: "l",
      method: "subscriptions/listen",
      params: modern({ notifications: { toolsListChanged: true } }),
    });
    const acknowledged = () =>
      written().filter(({ method }) => method === "notifications/subscriptions/acknowledged").length;
    await until(() => acknowledged() === 1);
    node.edge.listChanged(defaultTenant, ["tools"]);
    await until(() => written().some(({ method }) => method === "notifications/tools/list_changed"));
    await node.edge.stop(0);
    expect((await answerTo("l")).result).toBeDefined();
  });

  test("need not know which arguments travel in headers", async () => {
    const schema = { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } };
    const strict = await startEdge({ paramHeaders: () => paramHeadersOf(schema) });
    strict.calls.items = { tools: [JSON.stringify({ name: "echo", inputSchema: schema })] };
    link.url = strict.url;
    for (const [id, region] of ["eu", " Zürich "].entries()) {
      const answer = await ask(id, "tools/call", modern({ name: "echo", arguments: { region } }));
      expect(JSON.stringify(answer.result)).toContain(region);
    }
    expect(strict.calls.inputs).toHaveLength(2);
    await bridge.finish(0);
    await strict.edge.stop(0);
  });
});

describe("what goes wrong", () => {
  test.each([
    ["not json", -32700],
    ["[]", -32600],
    ['{"jsonrpc":"2.0"}', -32600],
    ['"x"', -32600],
  ])("%s is refused here", (line, code) => {
    bridge.receive(line);
    expect(written()).toMatchObject([{ id: null, error: { code } }]);
  });

  test("a wrong token is an answer and a sentence for people", async () => {
    link.token = "wrong";
    expect((await ask(1, "tools/list", modern())).error?.code).toBe(-31401);
    expect(said.join()).toContain("SIGNALBOX_TOKEN");
    expect(said.join()).not.toContain("wrong");
  });

  test("a node that stops is left for another before anything is done", async () => {
    const after = await startEdge({ sessionSealing: sealingWith(key) });
    link.next = () => after.url;
    send({ id: 1, method: "tools/call", params: modern({ name: "wait" }) });
    await until(() => node.calls.inputs.length === 1);
    const stopped = node.edge.stop(20_000);
    expect((await ask(2, "tools/call", modern({ name: "echo" }))).result).toBeDefined();
    node.calls.releaseAll();
    expect((await answerTo(1)).result).toBeDefined();
    await stopped;
    await bridge.finish(0);
    await after.edge.stop(0);
  });

  test("a call that may have happened is not sent again; one that names its key, and a list, are", async () => {
    let requests = 0;
    const dying = createServer((request) => {
      requests++;
      request.resume().on("end", () => request.socket.destroy());
    });
    await new Promise<void>((resolve) => {
      dying.listen(0, "127.0.0.1", () => resolve());
    });
    const dyingUrl = `http://127.0.0.1:${(dying.address() as AddressInfo).port}`;
    link.next = () => node.url;
    link.url = dyingUrl;
    const lost = await ask(1, "tools/call", modern({ name: "echo" }));
    expect([lost.error?.code, requests]).toEqual([-31203, 1]);
    const key = { _meta: { ...modernMeta, "dev.signalbox/key": "once" } };
    expect((await ask(2, "tools/call", { name: "echo", ...key })).result).toBeDefined();
    link.url = dyingUrl;
    expect((await ask(3, "tools/list", modern())).result).toBeDefined();
    expect(requests).toBe(3);
    dying.closeAllConnections();
    dying.close();
  });

  test("a node that is nowhere is said as what it is", async () => {
    await node.edge.stop(0);
    const answer = await ask(1, "tools/call", modern({ name: "echo" }));
    expect(answer.error?.code).toBe(-31201);
    expect(link.losses).toBeGreaterThan(1);
  });

  test("an id that is in use is refused", async () => {
    send({ id: 1, method: "tools/call", params: modern({ name: "wait" }) });
    send({ id: 1, method: "tools/call", params: modern({ name: "wait" }) });
    expect((await answerTo(1)).error?.code).toBe(-31101);
    node.calls.releaseAll();
  });
});

describe("the end of the input", () => {
  test("lets what was asked be answered, and ends the session", async () => {
    await begin();
    await until(async () => (await keptSessions(node)) === 1);
    send({ id: 1, method: "tools/call", params: { name: "echo" } });
    await bridge.finish(10_000);
    expect((await answerTo(1)).result).toBeDefined();
    expect(await keptSessions(node)).toBe(0);
  });

  test("does not wait for ever", async () => {
    send({ id: 1, method: "tools/call", params: modern({ name: "wait" }) });
    await until(() => node.calls.inputs.length === 1);
    await bridge.finish(20);
    expect(written()).toEqual([]);
    await until(() => node.calls.aborted.length === 1);
  });
});

describe("lines", () => {
  const read = (chunks: readonly (string | Buffer)[]) => {
    const found: string[] = [];
    let tooLong = 0;
    const reader = new Lines(
      (line) => found.push(line),
      () => tooLong++,
    );
    for (const chunk of chunks) reader.push(Buffer.from(chunk));
    reader.end();
    return { found, tooLong };
  };

  test("are put together from any pieces, and the last one needs no end", () => {
    const euro = Buffer.from("€");
    expect(read(['{"a"', ":1}\r\n\n", "b\nc", euro.subarray(0, 1), euro.subarray(1)])).toEqual({
      found: ['{"a":1}', "b", "c€"],
      tooLong: 0,
    });
  });

  test("that are too long are left out whole", () => {
    const half = "x".repeat(9 * 1024 * 1024);
    expect(read([half, half, "tail\nnext\n"])).toEqual({ found: ["next"], tooLong: 1 });
  });
});
