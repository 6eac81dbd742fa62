import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import type { Arrival } from "./fixture/fixture.ts";
import { Fixture } from "./fixture/fixture.ts";

/** What really arrives at two servers, one of each era, behind an ordinary node: prefixed names, and a token to get in. */
let modern: Fixture;
let legacy: Fixture;
let directory: string;
let node: NodeProcess;

beforeAll(async () => {
  [modern, legacy] = await Promise.all([Fixture.start("modern"), Fixture.start("legacy")]);
  directory = newDirectory();
  const yaml = `servers: { north: { url: "${modern.url}" }, south: { url: "${legacy.url}" } }`;
  node = await NodeProcess.start({ directory, yaml, limits: { relistIntervalMs: 60_000 } });
  await node.toolsAre(["north__test_simple_text", "south__test_simple_text"]);
});
afterAll(async () => {
  await node.stop();
  await Promise.all([modern.stop(), legacy.stop()]);
  removeDirectory(directory);
});
beforeEach(() => {
  modern.arrivals.length = 0;
  legacy.arrivals.length = 0;
});

const declared = {
  sampling: {},
  elicitation: { form: {} },
  extensions: { "org.example/unheard-of": { depth: 3 } },
};
const trace = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  tracestate: "vendor=opaque",
  baggage: "tenant=blue",
};

interface Body {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>> & { readonly _meta?: Readonly<Record<string, unknown>> };
}

interface Answer {
  readonly result?: Readonly<Record<string, unknown>>;
}

/** Sends one request as an agent with a token would, and gives what it led to at a server. */
async function send(
  to: Fixture,
  method: string,
  params: Readonly<Record<string, unknown>>,
  extra: Readonly<Record<string, string>> = {},
  capabilities: object = declared,
): Promise<Arrival & { readonly body: Body; readonly answer: Answer }> {
  const response = await fetch(`${node.url}/mcp`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${node.agentToken}`,
      Cookie: "session=of-the-caller",
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      "MCP-Protocol-Version": "2026-07-28",
      "Mcp-Method": method,
      "Mcp-Name": String(params["name"] ?? params["uri"] ?? params["taskId"]),
      ...extra,
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: "the caller's",
      method,
      params: {
        ...params,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientInfo": { name: "caller", version: "7" },
          "io.modelcontextprotocol/clientCapabilities": capabilities,
          ...trace,
        },
      },
    }),
  });
  const text = await response.text();
  expect({ status: response.status, text }).toMatchObject({ status: 200 });
  const arrivals = to.arrivals.map((arrival) => ({ ...arrival, body: JSON.parse(arrival.text) as Body }));
  const arrival = arrivals.find(({ body }) => body.method === method);
  if (arrival === undefined) throw new Error(`no ${method} arrived; the caller was told ${text}`);
  return { ...arrival, answer: JSON.parse(text) as Answer };
}

const look = (fixture: Fixture) => {
  const server = fixture === modern ? "north" : "south";
  return send(fixture, "tools/call", { name: `${server}__test_simple_text`, arguments: {} });
};

describe.each([
  ["modern", () => modern],
  ["legacy", () => legacy],
] as const)("a %s server behind the gateway", (_, fixture) => {
  test("is never shown who called, nor what the caller got in with", async () => {
    await look(fixture());
    for (const { headers, text } of fixture().arrivals) {
      expect(headers).not.toHaveProperty("authorization");
      expect(headers).not.toHaveProperty("cookie");
      expect(JSON.stringify(headers) + text).not.toContain(node.agentToken);
    }
  });

  test("gets the caller's trace context as it was", async () => {
    expect((await look(fixture())).body.params._meta).toMatchObject(trace);
  });

  test("is called by its own names", async () => {
    expect((await look(fixture())).body.params).toMatchObject({ name: "test_simple_text", arguments: {} });
  });
});

describe("a modern server behind the gateway", () => {
  test("is told what the caller can do, and not what the gateway can", async () => {
    const { body } = await look(modern);
    expect(body.params._meta?.["io.modelcontextprotocol/clientCapabilities"]).toEqual(declared);
  });

  test("reads the same in headers and body", async () => {
    const { headers, body } = await look(modern);
    expect(headers).toMatchObject({
      "mcp-protocol-version": body.params._meta?.["io.modelcontextprotocol/protocolVersion"],
      "mcp-method": "tools/call",
      "mcp-name": "test_simple_text",
    });
  });

  test("is asked for a prompt by its own name, and for a resource by its address", async () => {
    const prompt = await send(modern, "prompts/get", { name: "north__test_simple_prompt" });
    expect([prompt.headers["mcp-name"], prompt.body.params["name"]]).toEqual(
      Array.from({ length: 2 }, () => "test_simple_prompt"),
    );
    const uri = "test://only-in/modern";
    const resource = await send(modern, "resources/read", { uri });
    expect([resource.headers["mcp-name"], resource.body.params["uri"]]).toEqual([uri, uri]);
  });

  test("is asked for a task by its own id, which the caller never learns", async () => {
    const tasks = { extensions: { "io.modelcontextprotocol/tasks": {} } };
    const slow = { name: "north__slow_compute", arguments: { seconds: 60 } };
    const { answer } = await send(modern, "tools/call", slow, {}, tasks);
    const taskId = String(answer.result?.["taskId"]);
    const { headers, body } = await send(modern, "tasks/get", { taskId }, {}, tasks);
    expect(headers["mcp-name"]).toBe(body.params["taskId"]);
    expect(headers["mcp-name"]).not.toBe(taskId);
    expect(headers["mcp-method"]).toBe("tasks/get");
    await send(modern, "tasks/cancel", { taskId }, {}, tasks);
  });

  test.each(["plain", "Zürich 東京", " padded "])(
    "gets an argument that travels as a header: %s",
    async (region) => {
      const header = { "Mcp-Param-Region": encoded(region) };
      const params = { name: "north__test_param_header", arguments: { region } };
      const { headers, body } = await send(modern, "tools/call", params, header);
      expect(body.params["arguments"]).toEqual({ region });
      expect(headers["mcp-param-region"]).toBe(encoded(region));
    },
  );
});

describe("a legacy server behind the gateway", () => {
  test("opens a session with the caller's capabilities, and not with the gateway's", async () => {
    const capabilities = { elicitation: { form: {} }, sampling: { tools: {} } };
    const name = "south__test_simple_text";
    await send(legacy, "tools/call", { name, arguments: {} }, {}, capabilities);
    const opened = legacy.arrivals.map(({ text }) => JSON.parse(text) as Body);
    expect(opened.find(({ method }) => method === "initialize")?.params["capabilities"]).toEqual(
      capabilities,
    );
  });
});

/** SEP-2243: what a header cannot carry as it is travels in base64. */
const encoded = (value: string): string =>
  /^[\x21-\x7e]*$/.test(value) ? value : `=?base64?${Buffer.from(value).toString("base64")}?=`;
