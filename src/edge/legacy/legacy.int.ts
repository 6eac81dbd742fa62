import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  ElicitRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultTenant } from "../../identity/index.ts";
import type { RunningEdge } from "../edge.fixture.ts";
import { startEdge } from "../edge.fixture.ts";
import { until } from "../../../test/fixtures/until.ts";
import { official } from "./session.fixture.ts";

let node: RunningEdge;
beforeEach(async () => {
  node = await startEdge();
});
afterEach(() => node.edge.stop(0));

describe("the official client, version 2", () => {
  test("lists, calls, sees progress and refusals, cancels, and ends its session", async () => {
    const { client, transport } = official(node.url, "token-b");
    await client.connect(transport);
    expect(client.getServerVersion()).toEqual({ name: "signalbox", version: "0.0.0-test" });
    expect(client.getServerCapabilities()).toEqual({
      tools: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      prompts: { listChanged: true },
      completions: {},
      logging: {},
    });
    expect(client.getInstructions()).toBe("Ask before you pay.\n\nfiles: Paths are absolute.");
    await client.ping();
    expect((await client.listTools()).tools.map((tool) => tool.description)).toEqual(["for b"]);
    const result = await client.callTool({ name: "echo", arguments: { a: 1 } });
    expect(result).toMatchObject({
      content: [{ type: "text", text: '{"a":1}' }],
      _meta: { "dev.signalbox/receipt": { entry: "call_1:1" } },
    });
    const seen: number[] = [];
    await client.callTool(
      { name: "progress", arguments: {} },
      { onprogress: ({ progress }) => seen.push(progress) },
    );
    expect(seen).toEqual([1, 2, 3]);
    expect(await client.callTool({ name: "denied", arguments: {} })).toMatchObject({
      isError: true,
      _meta: { "dev.signalbox/refusal": { code: "denied" } },
    });
    await expect(client.callTool({ name: "nobody-has-this", arguments: {} })).rejects.toMatchObject({
      code: -32602,
    });
    await expect(client.callTool({ name: "broken", arguments: {} })).rejects.toMatchObject({ code: -32603 });
    const cancel = new AbortController();
    const waiting = client.callTool({ name: "wait", arguments: {} }, { signal: cancel.signal });
    await until(() => node.calls.inputs.some((input) => input.name === "wait"));
    cancel.abort();
    await expect(waiting).rejects.toThrow();
    await until(() => node.calls.aborted.includes("wait"));
    await transport.terminateSession();
    await client.close();
  });

  test("reads resources, gets prompts and completes, and what is not there is said in this era's terms", async () => {
    node.calls.items = {
      resources: ['{"name":"plain","uri":"test://plain"}'],
      resourceTemplates: ['{"name":"all","uriTemplate":"test://{name}"}'],
      prompts: ['{"name":"greet"}'],
    };
    const { client, transport } = official(node.url, "token-b");
    await client.connect(transport);
    expect((await client.listResources()).resources).toEqual([{ name: "plain", uri: "test://plain" }]);
    expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(1);
    expect((await client.listPrompts()).prompts).toEqual([{ name: "greet" }]);
    const read = await client.readResource({ uri: "test://plain" });
    expect(read.contents).toEqual([{ uri: "test://plain", text: "hello" }]);
    await expect(client.readResource({ uri: "test://nowhere" })).rejects.toThrow("no such resource");
    await expect(client.readResource({ uri: "test://denied" })).rejects.toMatchObject({ code: -31001 });
    const prompt = await client.getPrompt({ name: "greet", arguments: { who: "you" } });
    expect(prompt.messages[0]?.content).toEqual({ type: "text", text: '{"who":"you"}' });
    const ref = { type: "ref/prompt" as const, name: "greet" };
    const completed = await client.complete({ ref, argument: { name: "who", value: "y" } });
    expect(completed.completion.values).toEqual(['{"argument":{"name":"who","value":"y"}}']);
    await client.close();
  });

  test("answers a question in mid-call", async () => {
    const { client, transport } = official(node.url, "token-b", { elicitation: { form: {} } });
    client.setRequestHandler("elicitation/create", (request) => ({
      action: "accept",
      content: { said: request.params.message },
    }));
    await client.connect(transport);
    const answer = await client.callTool({ name: "ask", arguments: {} });
    expect(JSON.stringify(answer.content)).toContain("Who?");
    expect(node.calls.inputs[0]?.profile.capabilities).toMatchObject({ elicitation: { form: {} } });
    await client.close();
  });
});

describe("the official client, version 1", () => {
  test("calls, is asked, hears of changes and log messages, and ends its session", async () => {
    const client = new ClientV1(
      { name: "test", version: "1" },
      { capabilities: { elicitation: { form: {} } } },
    );
    const heard: string[] = [];
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: "decline" }));
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void heard.push("tools"));
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
      heard.push(params.uri);
    });
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
      heard.push(params.level);
    });
    const transport = new TransportV1(new URL(`${node.url}/mcp`), {
      requestInit: { headers: { authorization: "Bearer token-b" } },
    });
    await client.connect(transport);
    expect((await client.listTools()).tools).toHaveLength(1);
    expect(JSON.stringify(await client.callTool({ name: "ask", arguments: {} }))).toContain("decline");
    await client.setLoggingLevel("error");
    await client.callTool({ name: "log", arguments: {} });
    expect(heard).toEqual(["error"]);
    await client.subscribeResource({ uri: "test://plain" });
    await until(() => {
      node.edge.listChanged(defaultTenant, ["tools"]);
      return heard.includes("tools");
    });
    node.calls.updated("test://plain");
    await until(() => heard.includes("test://plain"));
    await client.unsubscribeResource({ uri: "test://plain" });
    expect(node.calls.subscriptions.size).toBe(0);
    await transport.terminateSession();
    await client.close();
    await until(async () => (await node.metricsText()).includes("signalbox_edge_legacy_sessions 0"));
  });
});
