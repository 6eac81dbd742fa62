import type { IncomingMessage, ServerResponse } from "node:http";
import { networkInterfaces } from "node:os";
import { describe, expect, test } from "vitest";
import type { RunningEdge } from "./edge.fixture.ts";
import {
  RawConnection,
  ask,
  callBody,
  echoingDesk,
  modernMeta,
  principalNamed,
  requestBytes,
  startEdge,
} from "./edge.fixture.ts";
import { until } from "../../test/fixtures/until.ts";
import { Fault, ok } from "../base/index.ts";
import type { Authenticate } from "./index.ts";
import { paramHeadersOf } from "./index.ts";

async function withEdge(
  over: Parameters<typeof startEdge>[0],
  body: (node: RunningEdge) => Promise<void>,
): Promise<void> {
  const node = await startEdge(over);
  try {
    await body(node);
  } finally {
    await node.edge.stop(0);
  }
}

const get = (port: number, path: string, headers: Record<string, string | undefined> = {}) =>
  ask(port, {
    method: "GET",
    path,
    headers: { Authorization: undefined, "Content-Length": undefined, ...headers },
  });

test("a node that listens on every address says one under which it answers this machine", () =>
  withEdge({ host: "0.0.0.0" }, async ({ url, port }) => {
    expect(url).toBe(`http://127.0.0.1:${port}`);
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`${url}/mcp`, { method: "POST", headers, body: "{}" });
    await answer.body?.cancel();
    expect(answer.status).toBe(401); // 403 = it does not know itself under this name
  }));

/** Of this machine, and not loopback; some have none. */
const address = Object.values(networkInterfaces())
  .flatMap((found = []) => found)
  .find(({ internal, family }) => !internal && family === "IPv4")?.address;

test.runIf(address !== undefined)(
  "a node without the role for it serves the agents of its own machine, whose address is loopback, and no others",
  () =>
    withEdge({ host: "0.0.0.0", allowedHosts: [address ?? ""], servesAgents: false }, async ({ port }) => {
      const ping = { jsonrpc: "2.0", id: 1, method: "server/discover", params: { _meta: modernMeta } };
      const statusAt = async (host: string) => {
        const answer = await fetch(`http://${host}:${port}/mcp`, {
          method: "POST",
          headers: {
            Authorization: "Bearer token-a",
            "Content-Type": "application/json",
            Accept: "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "server/discover",
          },
          body: JSON.stringify(ping),
        });
        await answer.body?.cancel();
        return answer.status;
      };
      expect(await statusAt("127.0.0.1")).toBe(200);
      expect(await statusAt(address ?? "")).toBe(404);
    }),
);

describe("the pages beside /mcp", () => {
  test("say that we live and whether we are ready, to anybody and under any name", () =>
    withEdge({ readiness: () => ({ notReady: ["store"] }) }, async (node) => {
      expect(await get(node.port, "/healthz", { Host: "10.0.0.7:7070" })).toMatchObject({ status: 200 });
      expect(await get(node.port, "/readyz", { Host: "10.0.0.7:7070" })).toMatchObject({
        status: 503,
        body: '{"ready":false,"waitingFor":["store"]}',
      });
    }));

  test("say to a balancer that we serve, also with what is not in order but hinders nobody", async () => {
    const readiness = () => ({ notReady: [], degraded: ["the newest policies were refused"] });
    await withEdge({ readiness }, async (node) => {
      expect((await get(node.port, "/readyz")).status).toBe(503);
      expect((await get(node.port, "/readyz/serving", { Host: "10.0.0.7" })).status).toBe(200);
    });
    await withEdge({ readiness: () => ({ notReady: ["starting"] }) }, async (node) => {
      expect((await get(node.port, "/readyz/serving")).status).toBe(503);
    });
  });

  test("describe the resource and its keys", () =>
    withEdge({ signIn: echoingDesk }, async (node) => {
      for (const path of [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
      ]) {
        expect(JSON.parse((await get(node.port, path)).body)).toEqual({
          resource: "http://localhost/mcp",
          resource_name: "signalbox",
          authorization_servers: ["http://localhost"],
          scopes_supported: ["mcp:read", "mcp:call"],
          bearer_methods_supported: ["header"],
        });
      }
      expect((await get(node.port, "/.well-known/jwks.json")).body).toBe('{"keys":[]}');
      expect((await get(node.port, "/")).body).toContain("signalbox 0.0.0-test");
      expect((await get(node.port, "/nothing")).status).toBe(404);
      expect((await ask(node.port, { path: "/metrics" })).status).toBe(404);
    }));

  test("tell a client that was refused, and would register now, how it gets a token", () =>
    withEdge({}, async (node) => {
      const answer = await ask(node.port, {
        path: "/register",
        body: '{"redirect_uris":["http://localhost/cb"]}',
      });
      expect(answer.status).toBe(404);
      expect(answer.body).toContain("`signalbox agents token`");
      const resource = await get(node.port, "/.well-known/oauth-protected-resource");
      expect(JSON.parse(resource.body)).not.toHaveProperty("authorization_servers");
    }));

  test("hand what belongs to signing in to who answers it, whole and bounded, from allowed hosts and origins alone", () =>
    withEdge(
      { signIn: echoingDesk, bounds: { signInBodyBytesMax: 100 }, publicUrl: "https://box.example/" },
      async (node) => {
        const post = (body: string, headers = {}) =>
          ask(node.port, {
            path: "/oauth/token?a=1",
            body,
            headers: { Authorization: undefined, ...headers },
          });
        const answer = await post("grant");
        expect([answer.status, answer.body]).toEqual([418, "POST ?a=1 grant at https://box.example"]);
        expect(answer.headers.get("cache-control")).toBe("no-store");
        expect((await post("x".repeat(101))).status).toBe(413);
        expect((await post("grant", { Host: "evil.example" })).status).toBe(403);
        expect((await post("grant", { Origin: "https://evil.example" })).status).toBe(403);
        expect((await post("grant", { Origin: "null" })).status).toBe(403);
        expect((await ask(node.port, { path: "/register", body: "{}" })).body).not.toContain("agents token");
      },
    ));

  test("name the public URL when there is one, and accept its host name", () =>
    withEdge({ publicUrl: "https://box.example/" }, async (node) => {
      const answer = await get(node.port, "/.well-known/oauth-protected-resource", { Host: "box.example" });
      expect(JSON.parse(answer.body)).toMatchObject({ resource: "https://box.example/mcp" });
      const challenge = await ask(node.port, {
        headers: { Host: "box.example", Authorization: undefined },
        body: callBody("echo"),
      });
      expect(challenge.headers.get("www-authenticate")).toContain('"https://box.example/.well-known/');
    }));

  test("show metrics, and only with a token where that is asked for", async () => {
    await withEdge({}, async (node) => {
      await ask(node.port, { body: callBody("echo") });
      await ask(node.port, { body: callBody("echo"), headers: { "Mcp-Name": "x" } });
      const page = await get(node.port, "/metrics");
      expect(page.headers.get("content-type")).toContain("text/plain; version=0.0.4");
      expect(page.body).toContain('signalbox_edge_requests_total{face="modern",status="200"} 1');
      expect(page.body).toContain('signalbox_edge_refusals_total{code="header-mismatch"} 1');
      expect((await get(node.port, "/metrics", { Host: "evil.example" })).status).toBe(403);
    });
    await withEdge({ metricsNeedToken: true }, async (node) => {
      expect((await get(node.port, "/metrics")).status).toBe(401);
      expect((await get(node.port, "/metrics", { Authorization: "Bearer token-a" })).status).toBe(200);
      const byAddress = { Host: "10.0.0.7:7070" };
      expect((await get(node.port, "/metrics", byAddress)).status).toBe(401);
      const withToken = { ...byAddress, Authorization: "Bearer token-a" };
      expect((await get(node.port, "/metrics", withToken)).status).toBe(200);
    });
    // A token that is limited to what a client does at /mcp is not for the names of all tools and servers.
    const limited = (token: string) =>
      ok({ ...principalNamed(token), scopes: ["mcp:read", "mcp:call"] as const });
    await withEdge({ metricsNeedToken: true, authenticate: limited }, async (node) => {
      expect((await get(node.port, "/metrics", { Authorization: "Bearer a" })).status).toBe(403);
    });
  });

  test("hand /api/v1 to its handler behind the same Host and Origin checks, and survive its failures", async () => {
    const api = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      if (request.url === "/api/v1/broken") throw new Error("c4n4ry");
      response.end(`${request.method} ${request.url}`);
    };
    await withEdge({ api }, async (node) => {
      const plain = { "Content-Length": undefined };
      const connection = new RawConnection(node.port);
      connection.write(requestBytes({ method: "GET", path: "/api/v1/agents?x=1", headers: plain }));
      await connection.until(() => connection.text.includes("GET /api/v1/agents?x=1"));
      connection.destroy();
      for (const headers of [{ Host: "evil.example" }, { Origin: "https://evil.example" }]) {
        expect((await get(node.port, "/api/v1/agents", headers)).status).toBe(403);
      }
      const broken = await get(node.port, "/api/v1/broken");
      expect(broken.status).toBe(500);
      expect(broken.body).not.toContain("c4n4ry");
    });
  });
});

describe("the try-out mode", () => {
  test("takes a request without a token as its one principal, and still checks Host and Origin", () =>
    withEdge({ anonymousPrincipal: principalNamed("you") }, async (node) => {
      const headers = { Authorization: undefined };
      expect((await ask(node.port, { body: callBody("echo"), headers })).status).toBe(200);
      const who = await node.calls.inputs[0]?.authenticate();
      expect(who).toMatchObject({ ok: true, value: { name: "you" } });
      expect(
        (await ask(node.port, { body: callBody("echo"), headers: { Authorization: "Bearer wrong" } })).status,
      ).toBe(401);
      expect(
        (
          await ask(node.port, {
            body: callBody("echo"),
            headers: { ...headers, Origin: "https://evil.example" },
          })
        ).status,
      ).toBe(403);
    }));
});

describe("authentication that fails by itself", () => {
  test.each([
    [
      "at once",
      () => {
        throw new Fault("store-unavailable", "c4n4ry");
      },
      503,
      -31302,
    ],
    ["later", () => Promise.reject(new Fault("store-unavailable", "c4n4ry")), 503, -31302],
    [
      "by a bug",
      () => {
        throw new TypeError("c4n4ry");
      },
      500,
      -32603,
    ],
  ] as [string, Authenticate, number, number][])(
    "%s is told as what it is, and nothing runs",
    (_, authenticate, status, code) =>
      withEdge({ authenticate }, async (node) => {
        const answer = await ask(node.port, { body: callBody("echo") });
        expect(answer).toMatchObject({ status, json: { error: { code } } });
        expect(answer.body).not.toContain("c4n4ry");
        expect(node.calls.inputs).toEqual([]);
      }),
  );
});

describe("arguments that travel in headers too", () => {
  const declared = paramHeadersOf({ properties: { region: { type: "string", "x-mcp-header": "Region" } } });

  test("must agree with the body", () =>
    withEdge({ paramHeaders: (_, tool) => (tool === "echo" ? declared : null) }, async (node) => {
      const body = callBody("echo", { region: "eu" });
      expect((await ask(node.port, { body, headers: { "Mcp-Param-Region": "eu" } })).status).toBe(200);
      for (const headers of [{}, { "Mcp-Param-Region": "us" }]) {
        expect(await ask(node.port, { body, headers })).toMatchObject({
          status: 400,
          json: { error: { code: -32020 } },
        });
      }
      expect(node.calls.inputs).toHaveLength(1);
    }));
});

describe("stopping", () => {
  test("finishes what is in flight, refuses what is new, and then closes every connection", async () => {
    const node = await startEdge();
    const busy = new RawConnection(node.port);
    busy.write(requestBytes({ body: callBody("wait"), headers: { "Mcp-Name": "wait" } }));
    const idle = new RawConnection(node.port);
    idle.write(requestBytes({ body: callBody("echo") }));
    await idle.answer();
    await until(() => node.calls.inputs.length === 2);
    const stopped = node.edge.stop(10_000);
    idle.write(requestBytes({ body: callBody("echo") }));
    const refused = await idle.answer();
    expect(refused.status).toBe(503);
    expect(refused.headers.get("connection")).toBe("close");
    expect(JSON.parse(refused.body)).toMatchObject({ error: { code: -31103 } });
    await idle.closedByServer();
    expect((await get(node.port, "/healthz")).status).toBe(200);
    expect(await get(node.port, "/readyz")).toMatchObject({
      status: 503,
      body: '{"ready":false,"waitingFor":["shutting down"]}',
    });
    node.calls.releaseAll();
    const answer = await busy.answer();
    expect(answer.status).toBe(200);
    expect(answer.headers.get("connection")).toBe("close");
    expect(node.calls.aborted).toEqual([]);
    await stopped;
    await expect(ask(node.port, { body: callBody("echo") })).rejects.toThrow();
    for (const each of [busy, idle]) each.destroy();
  });

  test("cuts what does not end in time and aborts its call, and may be asked twice", async () => {
    const node = await startEdge();
    const connection = new RawConnection(node.port);
    connection.write(requestBytes({ body: callBody("wait"), headers: { "Mcp-Name": "wait" } }));
    await until(() => node.calls.inputs.length === 1);
    await Promise.all([node.edge.stop(20), node.edge.stop(20)]);
    await connection.closedByServer();
    await until(() => node.calls.aborted.includes("wait"));
    await node.edge.stop(20);
    connection.destroy();
  });

  test("a port in use is said", async () => {
    const node = await startEdge();
    await expect(startEdge({ port: node.port })).rejects.toThrow(`cannot listen on 127.0.0.1:${node.port}`);
    await node.edge.stop(0);
  });
});
