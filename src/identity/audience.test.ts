import { afterEach, describe, expect, test } from "vitest";
import { isInScope, tokenScopes } from "./index.ts";
import type { Node } from "./world.fixture.ts";
import { agentOf, codeOf, granted, World } from "./world.fixture.ts";

const here = "https://box.example/mcp";
const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

function newWorld(): World {
  const world = new World();
  worlds.push(world);
  return world;
}

/** The node's own token with other claims, under its own signature. */
function resigned(node: Node, token: string, claims: object): string {
  const [head, body] = token.split(".");
  const before = JSON.parse(Buffer.from(body ?? "", "base64url").toString()) as object;
  const changed = Buffer.from(JSON.stringify({ ...before, ...claims })).toString("base64url");
  const signature = node.keys.sign("issuer", Buffer.from(`${head}.${changed}`));
  return `${head}.${changed}.${Buffer.from(signature).toString("base64url")}`;
}

describe("a token is made for one resource", () => {
  test("and opens no other: not its neighbour, its parent, its look-alike, nor nothing in particular", async () => {
    const node = await newWorld().firstNode({ audience: here });
    const { token } = granted(node.identities.issueToken(node.admin, (await agentOf(node)).id));
    expect(codeOf(await node.identities.authenticate(token))).toBe("ok");
    for (const aud of [
      "https://other.example/mcp",
      "https://box.example",
      "https://box.example/mcp/",
      "https://BOX.example/mcp",
      "http://box.example/mcp",
      "signalbox",
      "",
      [],
      undefined,
      null,
    ]) {
      expect(codeOf(await node.identities.authenticate(resigned(node, token, { aud })))).toBe(
        "unauthenticated",
      );
    }
    const several = resigned(node, token, { aud: ["https://other.example/mcp", here] });
    expect(codeOf(await node.identities.authenticate(several))).toBe("ok");
  });

  test("so a node at another address with the same keys refuses it", async () => {
    const world = newWorld();
    const first = await world.firstNode({ audience: here });
    const { token } = granted(first.identities.issueToken(first.admin, (await agentOf(first)).id));
    const moved = await world.node({ audience: "https://moved.example/mcp" });
    expect(codeOf(await moved.identities.authenticate(token))).toBe("unauthenticated");
    const same = await world.node({ audience: here });
    expect(codeOf(await same.identities.authenticate(token))).toBe("ok");
  });
});

describe("a token can be limited to scopes", () => {
  test("which its principal carries, the first time and every other, and changes of the principal keep", async () => {
    const node = await newWorld().firstNode();
    const agent = await agentOf(node);
    const { token } = granted(node.identities.issueToken(node.admin, agent.id, undefined, ["mcp:read"]));
    const ask = async () => granted(await node.identities.authenticate(token));
    expect((await ask()).scopes).toEqual(["mcp:read"]);
    expect(await ask()).toBe(await ask());
    await node.make(node.identities.setRoles(node.admin, agent.id, ["writer"]));
    const after = await ask();
    expect([after.roles, after.scopes]).toEqual([["writer"], ["mcp:read"]]);
    expect(tokenScopes.filter((scope) => isInScope(after, scope))).toEqual(["mcp:read"]);
  });

  test("and one without a limit, like a key, may be used for everything", async () => {
    const node = await newWorld().firstNode();
    const { token } = granted(node.identities.issueToken(node.admin, (await agentOf(node)).id));
    const principal = granted(await node.identities.authenticate(token));
    expect("scopes" in principal).toBe(false);
    expect(tokenScopes.every((scope) => isInScope(principal, scope))).toBe(true);
  });

  test("and scopes that mean nothing here give nothing", async () => {
    const node = await newWorld().firstNode();
    const { token } = granted(node.identities.issueToken(node.admin, (await agentOf(node)).id));
    for (const [scope, has] of [
      ["openid profile", []],
      ["", []],
      ["MCP:READ mcp:call,admin", []],
      ["admin openid mcp:call", ["mcp:call", "admin"]],
    ] as const) {
      const principal = granted(await node.identities.authenticate(resigned(node, token, { scope })));
      expect(principal.scopes).toEqual(has);
    }
    expect(codeOf(await node.identities.authenticate(resigned(node, token, { scope: ["admin"] })))).toBe(
      "unauthenticated",
    );
  });
});
