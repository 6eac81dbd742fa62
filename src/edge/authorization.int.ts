import { describe, expect, test } from "vitest";
import { ok } from "../base/index.ts";
import type { TokenScope } from "../identity/index.ts";
import type { RunningEdge } from "./edge.fixture.ts";
import { ask, callBody, echoingDesk, modernMeta, principalNamed, startEdge } from "./edge.fixture.ts";

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

const metadata = "https://box.example/.well-known/oauth-protected-resource/mcp";
/** Every token is an agent's and limited to these. */
const limitedTo = (...scopes: TokenScope[]): Parameters<typeof startEdge>[0] => ({
  publicUrl: "https://box.example",
  authenticate: () => ok({ ...principalNamed("a"), scopes }),
});
const request = (method: string, params: object = {}) => ({
  headers: { "Mcp-Method": method, "Mcp-Name": undefined },
  body: JSON.stringify({ jsonrpc: "2.0", id: 7, method, params: { _meta: modernMeta, ...params } }),
});
const get = { method: "GET", headers: { Authorization: undefined, "Content-Length": undefined } };

describe("who has no token that is good here", () => {
  test("is told where to get one and with which scopes, under our own name", () =>
    withEdge({ publicUrl: "https://box.example/", signIn: echoingDesk }, async (node) => {
      const none = await ask(node.port, {
        ...request("tools/list"),
        headers: { Authorization: undefined },
      });
      expect(none.status).toBe(401);
      expect(none.headers.get("www-authenticate")).toBe(
        `Bearer resource_metadata="${metadata}", scope="mcp:read mcp:call"`,
      );
      const wrong = await ask(node.port, {
        headers: { Authorization: "Bearer wrong" },
        body: callBody("echo"),
      });
      expect(wrong.headers.get("www-authenticate")).toContain('error="invalid_token"');
      const { pathname } = new URL(metadata);
      expect(JSON.parse((await ask(node.port, { ...get, path: pathname })).body)).toEqual({
        resource: "https://box.example/mcp",
        resource_name: "signalbox",
        authorization_servers: ["https://box.example"],
        scopes_supported: ["mcp:read", "mcp:call"],
        bearer_methods_supported: ["header"],
      });
    }));
});

describe("a token that is limited", () => {
  test("to reading may list and not call, and hears of all that the next one needs", () =>
    withEdge(limitedTo("mcp:read"), async (node) => {
      expect((await ask(node.port, request("tools/list"))).status).toBe(200);
      const refused = await ask(node.port, { body: callBody("echo", {}, {}, 9) });
      expect(refused.status).toBe(403);
      expect(refused.headers.get("www-authenticate")).toBe(
        `Bearer resource_metadata="${metadata}", scope="mcp:read mcp:call", error="insufficient_scope"`,
      );
      expect(JSON.parse(refused.body)).toMatchObject({ id: 9, error: { message: expect.any(String) } });
      expect(node.calls.inputs).toEqual([]);
    }));

  test("to calling may call and not list", () =>
    withEdge(limitedTo("mcp:call"), async (node) => {
      expect((await ask(node.port, { body: callBody("echo") })).status).toBe(200);
      const readings = [
        "resources/read",
        "prompts/get",
        "completion/complete",
        "skills/get",
        "resources/directory/read",
      ];
      const lists = [
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "prompts/list",
        "skills/list",
      ];
      for (const method of [...readings, ...lists, "subscriptions/listen", "anything/new"]) {
        const refused = await ask(node.port, request(method));
        expect([method, refused.status]).toEqual([method, 403]);
        expect(refused.headers.get("www-authenticate")).toContain('scope="mcp:read mcp:call"');
      }
    }));

  test("to administration may do nothing here but ask what this is", () =>
    withEdge(limitedTo("admin"), async (node) => {
      expect((await ask(node.port, request("server/discover"))).status).toBe(200);
      const refused = await ask(node.port, request("tools/list"));
      expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([
        403,
        expect.stringContaining('scope="mcp:read"'),
      ]);
      const stream = await ask(node.port, {
        ...get,
        headers: { Accept: "text/event-stream", "Mcp-Session-Id": "x", "Content-Length": undefined },
      });
      expect(stream.status).toBe(403);
    }));
});

describe("our side of somebody else's authorization", () => {
  test("the callback is handed on with its query and its form, and only there", () =>
    withEdge(
      {
        oauthCallback: async (incoming, response) => {
          const said = `${incoming.method} ${incoming.url}`;
          response.writeHead(200, { "content-length": said.length }).end(said);
        },
      },
      async (node) => {
        const back = await ask(node.port, { ...get, path: "/oauth/callback?code=1&state=2" });
        expect(back.body).toBe("GET /oauth/callback?code=1&state=2");
        expect((await ask(node.port, { path: "/oauth/callback" })).body).toBe("POST /oauth/callback");
        expect((await ask(node.port, { ...get, path: "/oauth/callback/x" })).status).toBe(404);
        const foreign = { Host: "evil.example", Authorization: undefined, "Content-Length": undefined };
        expect((await ask(node.port, { ...get, path: "/oauth/callback", headers: foreign })).status).toBe(
          403,
        );
      },
    ));

  test("who we are is published where there is an address to publish, and nothing otherwise", () =>
    withEdge({ clientMetadata: '{"client_id":"x"}' }, async (node) => {
      const shown = await ask(node.port, { ...get, path: "/oauth/client.json" });
      expect([shown.status, shown.body]).toEqual([200, '{"client_id":"x"}']);
      await withEdge({}, async (plain) => {
        expect((await ask(plain.port, { ...get, path: "/oauth/client.json" })).status).toBe(404);
        expect((await ask(plain.port, { ...get, path: "/oauth/callback" })).status).toBe(404);
      });
    }));
});
