import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Principal, TenantId } from "../../identity/index.ts";
import { defaultTenant } from "../../identity/index.ts";
import type { RawConnection, RunningEdge } from "../edge.fixture.ts";
import { principalNamed, startEdge } from "../edge.fixture.ts";
import { until } from "../../../test/fixtures/until.ts";
import { events, listen, message, openSession, post } from "./session.fixture.ts";

let node: RunningEdge;
const open: RawConnection[] = [];

beforeEach(async () => {
  node = await startEdge();
});
afterEach(async () => {
  for (const connection of open.splice(0)) connection.destroy();
  await node.edge.stop(0);
});

async function stream(session: string, token?: string, port = node.port): Promise<RawConnection> {
  const connection = await listen(port, session, token);
  open.push(connection);
  return connection;
}

const subscribe = (session: string, uri = "test://plain") =>
  post(node.port, session, message("resources/subscribe", { uri }));
const methods = (connection: RawConnection) => events(connection).map(({ method }) => method);

describe("a session's stream", () => {
  test("tells of changed lists, to everybody of the tenant and to nobody else", async () => {
    const [a, b] = [await openSession(node.port), await openSession(node.port, "token-b")];
    const [first, second] = [await stream(a), await stream(b, "token-b")];
    node.edge.listChanged("elsewhere" as TenantId, ["tools"]);
    node.edge.listChanged(defaultTenant, ["tools", "prompts"]);
    node.edge.listChanged(defaultTenant, ["prompts", "resources"]);
    for (const each of [first, second]) {
      await each.until(() => events(each).length >= 3);
      expect(new Set(methods(each))).toEqual(
        new Set([
          "notifications/prompts/list_changed",
          "notifications/resources/list_changed",
          "notifications/tools/list_changed",
        ]),
      );
    }
  });

  test("tells of an update once, on the newest stream", async () => {
    const session = await openSession(node.port);
    const [older, newer] = [await stream(session), await stream(session)];
    expect((await subscribe(session)).json.result).toEqual({});
    expect((await subscribe(session)).json.result).toEqual({});
    expect(node.calls.subscriptions.size).toBe(1);
    node.calls.updated("test://plain");
    await newer.until(() => events(newer).length > 0);
    expect(events(newer)).toEqual([
      { jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri: "test://plain" } },
    ]);
    expect(events(older)).toEqual([]);
  });

  test("tells late of what was updated while there was none", async () => {
    const session = await openSession(node.port);
    await subscribe(session);
    const lost = await stream(session);
    lost.destroy();
    await until(async () => {
      node.calls.updated("test://plain");
      const next = await stream(session);
      await until(() => events(next).length > 0, 500).catch(() => undefined);
      const heard = events(next).length > 0;
      next.destroy();
      return heard;
    });
  });

  test("ends when its owner is shut out, and nothing is told after that", async () => {
    const session = await openSession(node.port);
    const connection = await stream(session);
    await subscribe(session);
    node.revoked.add("token-a");
    node.calls.updated("test://plain");
    await connection.until(() => connection.text.endsWith("0\r\n\r\n"));
    expect(events(connection)).toEqual([]);
  });

  test("finds its subscriptions again when only the token had run out", async () => {
    const session = await openSession(node.port);
    const connection = await stream(session);
    await subscribe(session);
    node.revoked.add("token-a");
    node.calls.updated("test://plain");
    await connection.until(() => connection.text.endsWith("0\r\n\r\n"));
    expect(node.calls.subscriptions.size).toBe(0);
    node.revoked.delete("token-a");
    const next = await stream(session);
    await until(() => node.calls.subscriptions.size === 1);
    node.calls.updated("test://plain");
    await next.until(() => events(next).length > 0);
  });

  test("asks for its subscriptions anew when its owner's rights have changed", async () => {
    let version = "1";
    const authenticate = (token: string): Result<Principal> =>
      token === "gone"
        ? refuse({ code: "unauthenticated", detail: "" })
        : ok({ ...principalNamed("a"), version });
    const edge = await startEdge({ authenticate });
    const session = await openSession(edge.port);
    await post(edge.port, session, message("resources/subscribe", { uri: "test://plain" }));
    const connection = await stream(session, "token-a", edge.port);
    const [before] = edge.calls.subscriptions;
    version = "2";
    edge.calls.updated("test://plain");
    await until(() => edge.calls.subscriptions.size === 1 && !edge.calls.subscriptions.has(before as never));
    edge.calls.updated("test://plain");
    await connection.until(() => events(connection).length > 0);
    await edge.edge.stop(0);
  });
});

describe("a subscription", () => {
  test("is governed: what is refused is said, and nothing is kept", async () => {
    const session = await openSession(node.port);
    expect((await subscribe(session, "denied:x")).json.error?.code).toBe(-31001);
    expect((await subscribe(session, "broken:x")).json.error?.code).toBe(-32603);
    expect(await node.metricsText()).toContain("signalbox_edge_legacy_sessions 0");
  });

  test("ends with unsubscribe, also of what was never subscribed to, and while it is being made", async () => {
    const session = await openSession(node.port);
    const unsubscribe = (uri: string) => post(node.port, session, message("resources/unsubscribe", { uri }));
    expect((await unsubscribe("test://never")).json.result).toEqual({});
    await subscribe(session);
    await unsubscribe("test://plain");
    expect(node.calls.subscriptions.size).toBe(0);
    const slow = subscribe(session, "slow:x");
    await until(() => node.calls.subscriptions.size === 1);
    await unsubscribe("slow:x");
    node.calls.releaseAll();
    expect((await slow).json.error).toBeDefined();
    expect(node.calls.subscriptions.size).toBe(0);
    expect(await node.metricsText()).toContain("signalbox_edge_legacy_sessions 0");
  });

  test("is bounded in number", async () => {
    const small = await startEdge({ bounds: { listenUrisMax: 2 } });
    const session = await openSession(small.port);
    const codes = [];
    for (const uri of ["a:1", "a:2", "a:3"]) {
      const answer = await post(small.port, session, message("resources/subscribe", { uri }));
      codes.push(answer.json.error?.code);
    }
    expect(codes).toEqual([undefined, undefined, -31101]);
    await small.edge.stop(0);
  });
});
