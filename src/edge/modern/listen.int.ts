import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ok } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";
import { defaultTenant } from "../../identity/index.ts";
import type { Json, RunningEdge } from "../edge.fixture.ts";
import {
  RawConnection,
  ask,
  callBody,
  modernMeta,
  principalNamed,
  requestBytes,
  startEdge,
} from "../edge.fixture.ts";
import { until } from "../../../test/fixtures/until.ts";

let node: RunningEdge;
const opened: RawConnection[] = [];
beforeEach(async () => {
  node = await startEdge();
});
afterEach(async () => {
  for (const connection of opened.splice(0)) connection.destroy();
  await node.edge.stop(0);
});

interface Event extends Json {
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

const subscriptionId = "io.modelcontextprotocol/subscriptionId";
const all = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
const tasksDeclared = {
  "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } },
};

interface Listening {
  readonly as?: string;
  readonly id?: unknown;
  readonly meta?: object;
  readonly port?: number;
}

const listenParts = (notifications: unknown, { as = "a", id = "s1", meta = {} }: Listening = {}) => ({
  body: JSON.stringify({
    jsonrpc: "2.0",
    id,
    method: "subscriptions/listen",
    params: { notifications, _meta: { ...modernMeta, ...meta } },
  }),
  headers: {
    "Mcp-Method": "subscriptions/listen",
    "Mcp-Name": undefined,
    Authorization: `Bearer token-${as}`,
  },
});

/** An open stream, and what came on it so far. */
class Stream {
  readonly connection: RawConnection;

  constructor(notifications: unknown, more: Listening = {}) {
    this.connection = new RawConnection(more.port ?? node.port);
    opened.push(this.connection);
    this.connection.write(requestBytes(listenParts(notifications, more)));
  }

  get events(): Event[] {
    const data = this.connection.text.matchAll(/^data: (.*)\n\n/gm);
    return [...data].map((match) => JSON.parse(match[1] ?? "") as Event);
  }

  get methods(): (string | undefined)[] {
    return this.events.map((event) => event.method);
  }

  async until(count: number): Promise<Event[]> {
    await this.connection.until(() => this.events.length >= count);
    return this.events;
  }

  /** The stream has come to its end; what was the last. */
  async ended(): Promise<Event | undefined> {
    await this.connection.until(() => this.connection.text.endsWith("0\r\n\r\n"));
    return this.events.at(-1);
  }
}

async function listening(notifications: unknown, more: Listening = {}): Promise<Stream> {
  const stream = new Stream(notifications, more);
  await stream.until(1);
  return stream;
}

const refused = (notifications: unknown, more: Listening = {}) =>
  ask(more.port ?? node.port, listenParts(notifications, more));

describe("subscriptions/listen", () => {
  test("first says what it honours, then tells what was asked for, each under the id of the request", async () => {
    const wishes = {
      toolsListChanged: true,
      promptsListChanged: false,
      resourceSubscriptions: ["test://a", "denied://b", "broken://c", "test://a"],
      somethingOfTomorrow: true,
    };
    const stream = await listening(wishes, { id: 7 });
    expect(stream.connection.text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*text\/event-stream/is);
    expect(stream.connection.text).toMatch(/x-accel-buffering: no/i);
    expect(stream.events).toEqual([
      {
        jsonrpc: "2.0",
        method: "notifications/subscriptions/acknowledged",
        params: {
          notifications: { toolsListChanged: true, resourceSubscriptions: ["test://a"] },
          _meta: { [subscriptionId]: 7 },
        },
      },
    ]);
    node.edge.listChanged(defaultTenant, ["prompts", "resources"]);
    node.edge.listChanged(defaultTenant, ["tools", "prompts"]);
    await stream.until(2);
    node.calls.updated("test://a");
    expect((await stream.until(3)).slice(1)).toEqual([
      {
        jsonrpc: "2.0",
        method: "notifications/tools/list_changed",
        params: { _meta: { [subscriptionId]: 7 } },
      },
      {
        jsonrpc: "2.0",
        method: "notifications/resources/updated",
        params: { uri: "test://a", _meta: { [subscriptionId]: 7 } },
      },
    ]);
  });

  test("is counted while it is open", async () => {
    const stream = await listening(all);
    expect(await node.metricsText()).toContain("signalbox_edge_listeners 1");
    stream.connection.destroy();
    await until(async () => (await node.metricsText()).includes("signalbox_edge_listeners 0"));
  });

  test("tells changes of the own tenant only", async () => {
    const stream = await listening(all);
    node.edge.listChanged("other" as TenantId, ["tools"]);
    node.edge.listChanged(defaultTenant, ["prompts"]);
    await stream.until(2);
    expect(stream.methods.slice(1)).toEqual(["notifications/prompts/list_changed"]);
  });

  test("tells a reader that reads all of a burst, however large", async () => {
    const stream = await listening({ resourceSubscriptions: ["test://a"] });
    const [subscription] = node.calls.subscriptions;
    for (let i = 0; i < 2_000; i++) subscription?.onUpdated(`test://a/${"x".repeat(100)}/${i}`);
    const events = await stream.until(2_001);
    expect(new Set(events.map((event) => event.params?.["uri"])).size).toBe(2_001);
  });

  test("of which nothing is granted ends as soon as it has said so", async () => {
    for (const wishes of [{}, { resourceSubscriptions: ["denied://a"] }]) {
      const stream = await listening(wishes);
      expect(await stream.ended()).toMatchObject({
        id: "s1",
        result: { resultType: "complete", _meta: { [subscriptionId]: "s1" } },
      });
      expect(stream.events[0]?.params?.["notifications"]).toEqual({});
    }
  });

  test.each([
    ["nothing", undefined],
    ["a list", []],
    ["a flag that is text", { toolsListChanged: "yes" }],
    ["URIs that are no array", { resourceSubscriptions: "test://a" }],
    ["a URI that is a number", { resourceSubscriptions: [1] }],
    ["a URI of 5,000 characters", { resourceSubscriptions: ["x".repeat(5_000)] }],
    ["101 URIs", { resourceSubscriptions: Array.from({ length: 101 }, (_, i) => `test://${i}`) }],
    ["tasks that are no array", { taskIds: "a-task" }],
  ])("with %s as its wishes is refused", async (_, wishes) => {
    expect(await refused(wishes)).toMatchObject({ status: 400, json: { error: { code: -32602 } } });
    expect(node.calls.subscriptions.size).toBe(0);
  });

  test("with an id of a megabyte is refused, for every message would repeat it", async () => {
    const answer = await refused(all, { id: "x".repeat(1_000_000) });
    expect(answer).toMatchObject({ status: 400, json: { error: { code: -32600 } } });
  });

  test("stays alive with comments while nothing happens", async () => {
    const quick = await startEdge({ bounds: { keepAliveCommentMs: 16 } });
    const stream = await listening(all, { port: quick.port });
    await stream.connection.until(
      () => (stream.connection.text.match(/: keep-alive\n\n/g) ?? []).length >= 3,
    );
    await quick.edge.stop(0);
  });
});

describe("tasks that are listened to", () => {
  test("are told as they stand, and another's are not", async () => {
    const wishes = { taskIds: ["a-task", "b-task"] };
    const stream = await listening(wishes, { meta: tasksDeclared });
    await stream.until(2);
    expect(stream.events).toMatchObject([
      { params: { notifications: { taskIds: ["a-task"] } } },
      { method: "notifications/tasks", params: { taskId: "a-task", status: "working" } },
    ]);
    expect(stream.events[1]?.params).toMatchObject({ _meta: { [subscriptionId]: "s1" } });
  });

  test("are not told to a token that may not call", async () => {
    const reading = await startEdge({
      authenticate: () => ok({ ...principalNamed("a"), scopes: ["mcp:read"] }),
    });
    const wishes = { ...all, taskIds: ["a-task"] };
    const stream = await listening(wishes, { meta: tasksDeclared, port: reading.port });
    expect(stream.events).toMatchObject([{ params: { notifications: all } }]);
    expect(stream.connection.text).not.toContain("a-task");
    await reading.edge.stop(0);
  });

  test("need the extension to be declared", async () => {
    const extensions = { "io.modelcontextprotocol/tasks": {} };
    expect(await refused({ taskIds: ["a-task"] })).toMatchObject({
      status: 400,
      json: { error: { code: -32021, data: { requiredCapabilities: { extensions } } } },
    });
  });
});

describe("the end of a stream", () => {
  test("by its client gives its subscriptions back, also those that are still being asked for", async () => {
    const stream = await listening({ resourceSubscriptions: ["test://a"] });
    expect(node.calls.subscriptions.size).toBe(1);
    const asking = new Stream({ resourceSubscriptions: ["slow://b"] });
    await until(() => node.calls.subscriptions.size === 2);
    stream.connection.destroy();
    asking.connection.destroy();
    await until(async () => (await node.metricsText()).includes("signalbox_edge_requests_in_flight 0"));
    node.calls.releaseAll();
    await until(() => node.calls.subscriptions.size === 0);
  });

  test("by half a close is an end as well", async () => {
    const stream = await listening({ resourceSubscriptions: ["test://a"] });
    stream.connection.halfClose();
    await until(() => node.calls.subscriptions.size === 0);
    await stream.connection.closedByServer();
  });

  test("comes with the end of its token, before anything more is told", async () => {
    const [kept, shut] = [await listening(all, { as: "a" }), await listening(all, { as: "b" })];
    node.revoked.add("token-b");
    node.edge.listChanged(defaultTenant, ["tools"]);
    expect(await shut.ended()).toMatchObject({ id: "s1", error: { code: -31401 } });
    expect(shut.methods).not.toContain("notifications/tools/list_changed");
    await kept.until(2);
    expect(kept.methods).toContain("notifications/tools/list_changed");
  });

  test("comes with the end of its token within a keep-alive when nothing happens", async () => {
    const quick = await startEdge({ bounds: { keepAliveCommentMs: 16 } });
    const stream = await listening(all, { port: quick.port });
    quick.revoked.add("token-a");
    expect(await stream.ended()).toMatchObject({ error: { code: -31401 } });
    await quick.edge.stop(0);
  });

  test("comes graceful when we stop, and stopping does not wait for streams", async () => {
    const stopping = await startEdge();
    const stream = await listening(all, { port: stopping.port });
    const stopped = stopping.edge.stop(60_000);
    expect(await stream.ended()).toMatchObject({
      id: "s1",
      result: { resultType: "complete", _meta: { [subscriptionId]: "s1" } },
    });
    await stopped;
  });

  test("comes to a reader that does not read, and calls go on meanwhile", async () => {
    const small = await startEdge({ bounds: { listenBytesWaitingMax: 10_000 } });
    const uri = `test://${"x".repeat(4_000)}`;
    const stream = await listening({ resourceSubscriptions: [uri] }, { port: small.port });
    stream.connection.pause();
    const [subscription] = small.calls.subscriptions;
    let told = 0;
    await until(async () => {
      for (let i = 0; i < 300; i++) subscription?.onUpdated(`${uri}${told++}`);
      expect((await ask(small.port, { body: callBody("echo") })).status).toBe(200);
      return small.calls.subscriptions.size === 0;
    });
    await small.edge.stop(0);
  });
});

describe("two callers", () => {
  test("with the same id and the same resource hear and end each for itself", async () => {
    const wishes = { resourceSubscriptions: ["test://a"] };
    const [mine, theirs] = [await listening(wishes, { as: "a" }), await listening(wishes, { as: "b" })];
    expect(node.calls.subscriptions.size).toBe(2);
    mine.connection.destroy();
    await until(() => node.calls.subscriptions.size === 1);
    node.calls.updated("test://a");
    await theirs.until(2);
    expect(theirs.methods[1]).toBe("notifications/resources/updated");
    expect(mine.events).toHaveLength(1);
  });

  test("with the same id call each for itself: one that goes away takes nothing from the other", async () => {
    const wait = (as: string) => {
      const connection = new RawConnection(node.port);
      opened.push(connection);
      const headers = { "Mcp-Name": "wait", Authorization: `Bearer token-${as}` };
      connection.write(requestBytes({ body: callBody("wait", {}, { progressToken: "p" }), headers }));
      return connection;
    };
    const [mine, theirs] = [wait("a"), wait("b")];
    await until(() => node.calls.inputs.length === 2);
    mine.destroy();
    await until(() => node.calls.aborted.length === 1);
    node.calls.inputs.at(-1)?.onProgress?.({ progress: 1 });
    node.calls.releaseAll();
    await theirs.until(() => theirs.text.includes("waited"));
    expect(node.calls.aborted).toHaveLength(1);
    expect(mine.text).not.toContain("waited");
  });
});

describe("a flood of streams", () => {
  test("of one caller ends at its bound, other callers still listen, and an ended one makes room", async () => {
    const small = await startEdge({ bounds: { listensPerPrincipalMax: 3, listensMax: 5 } });
    const { port } = small;
    const mine = await Promise.all([1, 2, 3].map((id) => listening(all, { port, id })));
    expect(await refused(all, { port })).toMatchObject({ status: 429, json: { error: { code: -31101 } } });
    await listening(all, { port, as: "b" });
    await listening(all, { port, as: "c" });
    expect(await refused(all, { port, as: "d" })).toMatchObject({
      status: 503,
      json: { error: { code: -31102 } },
    });
    expect((await ask(port, { body: callBody("echo") })).status).toBe(200);
    mine[0]?.connection.destroy();
    await until(async () => (await small.metricsText()).includes("signalbox_edge_connections 4"));
    await listening(all, { port, as: "d" });
    await small.edge.stop(0);
  });

  test("that open and close at once leaves nothing behind", async () => {
    const streams = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        listening({ ...all, resourceSubscriptions: [`test://${i % 7}`] }, { as: `p${i % 5}`, id: i }),
      ),
    );
    for (const stream of streams) {
      node.edge.listChanged(defaultTenant, ["tools"]);
      stream.connection.destroy();
    }
    await until(() => node.calls.subscriptions.size === 0);
    await until(async () => (await node.metricsText()).includes("signalbox_edge_requests_in_flight 0"));
  });
});

test("the official client listens, hears, and closes", async () => {
  const client = new Client(
    { name: "test", version: "1" },
    { versionNegotiation: { mode: { pin: "2026-07-28" } } },
  );
  const heard: string[] = [];
  client.setNotificationHandler("notifications/tools/list_changed", async () => void heard.push("tools"));
  client.setNotificationHandler(
    "notifications/resources/updated",
    async ({ params }) => void heard.push(params.uri),
  );
  const requestInit = { headers: { authorization: "Bearer token-b" } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), { requestInit }));
  const subscription = await client.listen({
    toolsListChanged: true,
    resourceSubscriptions: ["test://a", "denied://b"],
  });
  expect(subscription.honoredFilter).toEqual({
    toolsListChanged: true,
    resourceSubscriptions: ["test://a"],
  });
  node.edge.listChanged(defaultTenant, ["tools", "prompts"]);
  node.calls.updated("test://a");
  await until(() => heard.length === 2);
  expect(heard.toSorted()).toEqual(["test://a", "tools"]);
  await subscription.close();
  await until(() => node.calls.subscriptions.size === 0);
  const second = await client.listen({ toolsListChanged: true });
  const stopped = node.edge.stop(10_000);
  expect(await second.closed).toBe("graceful");
  await stopped;
  await client.close();
});
