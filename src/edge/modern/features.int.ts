import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Json, RunningEdge } from "../edge.fixture.ts";
import { RawConnection, ask, callBody, modernMeta, requestBytes, startEdge } from "../edge.fixture.ts";

let node: RunningEdge;
beforeEach(async () => {
  node = await startEdge({ bounds: { listPageItemsMax: 3 } });
});
afterEach(() => node.edge.stop(0));

interface Asking {
  readonly as?: string;
  readonly name?: string | undefined;
  readonly meta?: object;
}

/** One modern request, with the headers that belong to it. */
function asked(method: string, params: object, { as = "a", name, meta = {} }: Asking = {}) {
  return {
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method,
      params: { ...params, _meta: { ...modernMeta, ...meta } },
    }),
    headers: { "Mcp-Method": method, "Mcp-Name": name, Authorization: `Bearer token-${as}` },
  };
}
const request = (method: string, params: object, more: Asking = {}) =>
  ask(node.port, asked(method, params, more));

const declaring = (capabilities: object) => ({
  "io.modelcontextprotocol/clientCapabilities": capabilities,
});
const withTasks = declaring({ extensions: { "io.modelcontextprotocol/tasks": {} } });

/** The JSON-RPC messages of a whole event stream. */
async function events(parts: Parameters<typeof requestBytes>[0]): Promise<(Json & { method?: string })[]> {
  const connection = new RawConnection(node.port);
  connection.write(requestBytes(parts));
  await connection.until(() => connection.text.endsWith("0\r\n\r\n"));
  const { text } = connection;
  connection.destroy();
  return [...text.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1] ?? "") as Json);
}

describe("lists", () => {
  test.each([
    ["resources/list", "resources"],
    ["resources/templates/list", "resourceTemplates"],
    ["prompts/list", "prompts"],
    ["skills/list", "skills"],
  ] as const)("%s comes in private pages that together are the list", async (method, member) => {
    node.calls.items = { [member]: ["1", "2", "3", "4", "5"].map((name) => JSON.stringify({ name })) };
    const first = await request(method, {});
    expect(first.json.result).toMatchObject({
      resultType: "complete",
      ttlMs: 10_000,
      cacheScope: "private",
      [member]: [{ name: "1" }, { name: "2" }, { name: "3" }],
    });
    const { nextCursor } = first.json.result as { nextCursor: string };
    const second = await request(method, { cursor: nextCursor });
    expect(second.json.result).toMatchObject({
      cacheScope: "private",
      [member]: [{ name: "4" }, { name: "5" }],
    });
    expect(second.json.result).not.toHaveProperty("nextCursor");
  });

  test("may be kept as long as the shortest of their parts, and no longer than we say", async () => {
    node.calls.listTtlMs = 250;
    expect((await request("tools/list", {})).json.result).toMatchObject({ ttlMs: 250 });
  });

  test("that changed between two pages are asked for anew", async () => {
    const prompts = ["1", "2", "3", "4", "5"].map((name) => JSON.stringify({ name }));
    node.calls.items = { prompts };
    const { nextCursor } = (await request("prompts/list", {})).json.result as { nextCursor: string };
    node.calls.items = { prompts: [...prompts, '{"name":"6"}'] };
    const answer = await request("prompts/list", { cursor: nextCursor });
    expect(answer).toMatchObject({ status: 400, json: { error: { code: -32602 } } });
    expect(answer.json.error?.message).toContain("List again without a cursor");
  });

  test("are asked for with what the caller declared, also when a server must be asked first", async () => {
    node.calls.listsLater = true;
    const meta = declaring({ sampling: {}, roots: {} });
    expect((await request("tools/list", {}, { meta })).status).toBe(200);
    expect(node.calls.listed).toMatchObject([
      { name: "tools", profile: { key: '{"roots":{},"sampling":{}}' } },
    ]);
  });

  test("another caller's cursor shows nothing of the other's list", async () => {
    const tool = (name: string) => JSON.stringify({ name, inputSchema: { type: "object" } });
    node.calls.items = { tools: ["secret1", "secret2", "secret3", "secret4"].map(tool) };
    const { nextCursor } = (await request("tools/list", {})).json.result as { nextCursor: string };
    node.calls.items = {};
    const answer = await request("tools/list", { cursor: nextCursor }, { as: "b" });
    expect(answer.status).toBe(400);
    expect(answer.body).not.toContain("secret");
  });
});

describe("resources, prompts and completions", () => {
  test("a resource is read through calls, is private, and keeps its server's time to live", async () => {
    const kept = await request("resources/read", { uri: "test://kept" }, { name: "test://kept" });
    expect(kept.json.result).toMatchObject({ ttlMs: 5_000, cacheScope: "private", resultType: "complete" });
    const plain = await request("resources/read", { uri: "test://plain" }, { name: "test://plain" });
    expect(plain.json.result).toMatchObject({
      ttlMs: 0,
      cacheScope: "private",
      contents: [{ uri: "test://plain", text: "hello" }],
    });
    expect(node.calls.inputs.map((input) => [input.method, input.name, input.arguments])).toEqual([
      ["resources/read", "test://kept", {}],
      ["resources/read", "test://plain", {}],
    ]);
  });

  test("a resource that is not there is named, and one that policy withholds is an error in a good answer", async () => {
    const missing = await request("resources/read", { uri: "test://no" }, { name: "test://no" });
    expect(missing).toMatchObject({
      status: 400,
      json: { error: { code: -32602, data: { uri: "test://no" } } },
    });
    const old = await request("resources/read", { uri: "test://old" }, { name: "test://old" });
    expect(old).toMatchObject({
      status: 200,
      json: { error: { code: -32602, message: "Gone.", data: { uri: "test://old" } } },
    });
    const denied = await request("resources/read", { uri: "test://denied" }, { name: "test://denied" });
    expect(denied).toMatchObject({ status: 200, json: { id: 1, error: { code: -31001 } } });
  });

  test("a skill and a directory are read like a resource, without a name in the headers", async () => {
    const uri = "test://kept";
    for (const method of ["skills/get", "resources/directory/read"]) {
      const kept = await request(method, { uri, cursor: "2" });
      expect(kept.json.result).toMatchObject({ ttlMs: 5_000, cacheScope: "private", resultType: "complete" });
      const missing = await request(method, { uri: "test://no" });
      expect(missing).toMatchObject({
        status: 400,
        json: { error: { code: -32602, data: { uri: "test://no" } } },
      });
    }
    expect(
      node.calls.inputs.map((input) => [input.method, input.name, input.arguments, input.round]),
    ).toEqual([
      ["skills/get", uri, {}, null],
      ["skills/get", "test://no", {}, null],
      ["resources/directory/read", uri, { cursor: "2" }, null],
      ["resources/directory/read", "test://no", {}, null],
    ]);
  });

  test("their names in header and body must agree", async () => {
    for (const [method, params, name] of [
      ["resources/read", { uri: "test://kept" }, "test://plain"],
      ["resources/read", { uri: "test://kept" }, undefined],
      ["prompts/get", { name: "greet" }, "other"],
      ["tasks/get", { taskId: "a-task" }, "b-task"],
      ["tasks/cancel", { taskId: "a-task" }, undefined],
    ] as const) {
      const answer = await request(method, params, { name, meta: withTasks });
      expect(answer).toMatchObject({ status: 400, json: { error: { code: -32020 } } });
    }
    expect([node.calls.inputs, node.calls.tasks]).toEqual([[], []]);
  });

  test("a prompt is got and an argument completed", async () => {
    const prompt = await request(
      "prompts/get",
      { name: "greet", arguments: { who: "me" } },
      { name: "greet" },
    );
    expect(prompt.json.result).toMatchObject({ messages: [{ content: { text: '{"who":"me"}' } }] });
    const completed = await request("completion/complete", {
      ref: { type: "ref/resource", uri: "test://{id}" },
      argument: { name: "id", value: "1" },
      // Completions have no rounds: what stands there is not looked at.
      inputResponses: "nonsense",
    });
    expect(completed.json.result).toMatchObject({
      resultType: "complete",
      completion: { values: ['{"argument":{"name":"id","value":"1"}}'] },
    });
    expect(node.calls.inputs.at(-1)).toMatchObject({ method: "completion/complete", name: "test://{id}" });
  });
});

describe("rounds", () => {
  test("a question comes back with our state, and its answers go on with it", async () => {
    const first = await ask(node.port, { body: callBody("ask"), headers: { "Mcp-Name": "ask" } });
    expect(first.json.result).toEqual({
      resultType: "input_required",
      inputRequests: { who: expect.objectContaining({ method: "elicitation/create" }) },
      requestState: "state of a",
    });
    const { requestState } = first.json.result as { requestState: string };
    const inputResponses = { who: { action: "accept", content: {} }, stray: {} };
    const params = { name: "ask", inputResponses, requestState };
    const second = await request("tools/call", params, { name: "ask" });
    expect(second.json.result).toMatchObject({
      resultType: "complete",
      content: [{ text: JSON.stringify(inputResponses) }],
    });
    expect(node.calls.inputs[0]).toMatchObject({ round: null, ask: null });
  });

  test("another caller's state is refused", async () => {
    const params = { name: "ask", inputResponses: {}, requestState: "state of a" };
    const answer = await request("tools/call", params, { as: "b", name: "ask" });
    expect(answer).toMatchObject({ status: 400, json: { error: { code: -32602 } } });
  });

  test("answers of another form never reach the call", async () => {
    for (const more of [{ inputResponses: [] }, { inputResponses: { a: 1 } }, { requestState: 1 }]) {
      const answer = await request("prompts/get", { name: "ask", ...more }, { name: "ask" });
      expect(answer).toMatchObject({ status: 400, json: { error: { code: -32602 } } });
    }
    expect(node.calls.inputs).toEqual([]);
  });

  test("the official client answers the question and goes on by itself", async () => {
    const client = new Client(
      { name: "test", version: "1" },
      { versionNegotiation: { mode: { pin: "2026-07-28" } }, capabilities: { elicitation: { form: {} } } },
    );
    client.setRequestHandler("elicitation/create", async () => ({ action: "accept", content: { n: 1 } }));
    const requestInit = { headers: { authorization: "Bearer token-b" } };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), { requestInit }));
    const result = await client.callTool({ name: "ask", arguments: {} });
    expect(JSON.stringify(result)).toContain("accept");
    expect(node.calls.inputs[0]?.profile.key).toContain("elicitation");
    const prompt = await client.getPrompt({ name: "greet", arguments: { a: "1" } });
    expect(prompt.messages).toHaveLength(1);
    expect((await client.readResource({ uri: "test://kept" })).contents).toHaveLength(1);
    await expect(client.readResource({ uri: "test://denied" })).rejects.toMatchObject({ code: -31001 });
    await client.close();
  });
});

describe("log messages", () => {
  test("come on the call's own stream, when they are asked for and as severe as that", async () => {
    const meta = { "io.modelcontextprotocol/logLevel": "info" };
    const seen = await events({ body: callBody("log", {}, meta), headers: { "Mcp-Name": "log" } });
    expect(seen.map((event) => event.method)).toEqual([
      "notifications/message",
      "notifications/message",
      undefined,
    ]);
    expect(seen[0]).toMatchObject({ params: { level: "info", data: "a info" } });
    expect(node.calls.inputs[0]).toMatchObject({ logLevel: "info", onProgress: null });
  });

  test("nobody asked for are not sent, and their call is answered in one body", async () => {
    const answer = await ask(node.port, { body: callBody("log"), headers: { "Mcp-Name": "log" } });
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(node.calls.inputs[0]).toMatchObject({ logLevel: null, onLog: null });
    const odd = { "io.modelcontextprotocol/logLevel": "shout" };
    const refused = await ask(node.port, { body: callBody("log", {}, odd), headers: { "Mcp-Name": "log" } });
    expect(refused).toMatchObject({ status: 400, json: { error: { code: -32602 } } });
  });
});

describe("tasks", () => {
  test("a call may become one, and is asked about, updated and cancelled by its caller", async () => {
    const started = await request("tools/call", { name: "task" }, { name: "task", meta: withTasks });
    expect(started.json.result).toEqual({ resultType: "task", taskId: "a-task", status: "working" });
    const task = { name: "a-task", meta: withTasks };
    expect((await request("tasks/get", { taskId: "a-task" }, task)).json.result).toMatchObject({
      resultType: "complete",
      taskId: "a-task",
      status: "working",
    });
    const inputResponses = { who: { action: "decline" } };
    await request("tasks/update", { taskId: "a-task", inputResponses }, task);
    await request("tasks/cancel", { taskId: "a-task" }, task);
    expect(node.calls.tasks.map((input) => [input.method, input.inputResponses])).toEqual([
      ["tasks/get", null],
      ["tasks/update", inputResponses],
      ["tasks/cancel", null],
    ]);
  });

  test("of another caller look like none", async () => {
    const answer = await request(
      "tasks/get",
      { taskId: "a-task" },
      { as: "b", name: "a-task", meta: withTasks },
    );
    expect(answer).toMatchObject({ status: 400, json: { error: { code: -32602 } } });
  });

  test("are only for requests that declare the extension, and the answer says what to declare", async () => {
    for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
      for (const meta of [{}, declaring({ extensions: {} }), declaring({ extensions: [] })]) {
        const answer = await request(method, { taskId: "a-task" }, { name: "a-task", meta });
        expect(answer).toMatchObject({
          status: 400,
          json: {
            error: {
              code: -32021,
              data: { requiredCapabilities: { extensions: { "io.modelcontextprotocol/tasks": {} } } },
            },
          },
        });
      }
    }
    expect(node.calls.tasks).toEqual([]);
  });

  test("with a wrong form of parameters are refused", async () => {
    for (const [method, params] of [
      ["tasks/get", {}],
      ["tasks/get", { taskId: 7 }],
      ["tasks/update", { taskId: "a-task" }],
      ["tasks/update", { taskId: "a-task", inputResponses: { a: "b" } }],
    ] as const) {
      const answer = await request(method, params, { name: "a-task", meta: withTasks });
      expect(answer).toMatchObject({ status: 400, json: { error: { code: -32602 } } });
    }
  });
});

test("a call that needs what the client did not declare says what, whoever found it out", async () => {
  const theirs = await ask(node.port, {
    body: callBody("needs-more"),
    headers: { "Mcp-Name": "needs-more" },
  });
  expect(theirs).toMatchObject({
    status: 400,
    json: { error: { code: -32021, data: { requiredCapabilities: { roots: {} } } } },
  });
  const answer = await ask(node.port, { body: callBody("needs"), headers: { "Mcp-Name": "needs" } });
  expect(answer).toMatchObject({
    status: 400,
    json: { error: { code: -32021, data: { requiredCapabilities: { sampling: {} } } } },
  });
  expect(answer.body).not.toContain("c4n4ry");
});
