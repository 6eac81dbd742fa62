import { afterEach, beforeEach, expect, test } from "vitest";
import { Machine } from "./machine.fixture.ts";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.end());

const dev = ["dev", "--no-import", "--port", "0", "--json"];

const post = (mcp: string, token: string, session: string | null, message: object) =>
  fetch(mcp, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(session === null ? {} : { "mcp-session-id": session }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...message }),
  });

const initialize = {
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
};

test("a session goes on after kill -9, at a node with the same data, and nowhere else", async () => {
  const first = await machine.node(dev);
  const { mcp, token } = first.said;
  const opened = await post(mcp, token, null, initialize);
  const session = opened.headers.get("mcp-session-id") ?? "";
  expect((await post(mcp, token, session, { method: "tools/list" })).status).toBe(200);
  await first.node.stop("SIGKILL");

  const second = await machine.node(dev);
  expect(second.said.token).toBe(token);
  expect((await post(second.said.mcp, token, session, { method: "tools/list" })).status).toBe(200);

  const other = await machine.node([...dev, "--data", "other"]);
  const foreign = await post(other.said.mcp, other.said.token, session, { method: "tools/list" });
  expect(foreign.status).toBe(404);
});
