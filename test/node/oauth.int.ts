import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { AuthorizationServer } from "../fixtures/servers/authorization-server.ts";
import { ProtectedServer } from "../fixtures/servers/protected-server.ts";

/** A whole node in front of servers that want tokens. The tests build on each other, in this order. */
const issuer = new AuthorizationServer({ clients: { robot: "robot-s3cret-value" } });
const files = new ProtectedServer(issuer, { scope: "files:read" });
const robot = new ProtectedServer(issuer);
const bare = new ProtectedServer(issuer);
let directory: string;
let yaml: string;
let node: NodeProcess;

beforeAll(async () => {
  for (const each of [issuer, files, robot, bare]) await each.start();
  directory = newDirectory();
  yaml = `servers:
  files: { url: "${files.url}", auth: { kind: oauth } }
  bare: { url: "${bare.url}" }
  robot:
    url: "${robot.url}"
    auth:
      kind: oauth
      grant: client-credentials
      issuer: "${issuer.issuer}"
      clientId: robot
      clientSecret: robot-s3cret-value`;
  node = await NodeProcess.start({ directory, yaml });
});
afterAll(async () => {
  await node.stop();
  for (const each of [issuer, files, robot, bare]) await each.stop();
  removeDirectory(directory);
});

interface Shown {
  readonly server: {
    readonly health: { readonly state: string; readonly cause?: string; readonly reason?: string };
  };
  readonly authorization: { readonly state: string; readonly issuer: string | null } | null;
}

const shown = async (name: string): Promise<Shown> =>
  (await node.admin<Shown>("GET", `/servers/${name}`)).body;

async function healthOf(name: string, state: string): Promise<Shown["server"]["health"]> {
  let health = (await shown(name)).server.health;
  await until(async () => {
    health = (await shown(name)).server.health;
    return health.state === state;
  });
  return health;
}

const robotTools = ["robot__look", "robot__write"];
const allTools = ["files__look", "files__write", ...robotTools];

describe("a server that wants a token", () => {
  test("says what to do, when nothing was said about it", async () => {
    const health = await healthOf("bare", "down");
    expect(health.cause).toBe("dependency");
    expect(health.reason).toContain("asks for authorization (HTTP 401)");
    expect(health.reason).toContain("--auth oauth");
    expect((await shown("bare")).authorization).toBeNull();
  });

  test("waits for a person, and says by which command", async () => {
    const health = await healthOf("files", "down");
    expect(health.cause).toBe("dependency");
    expect(health.reason).toContain("signalbox servers authorize files");
    expect((await shown("files")).authorization).toMatchObject({ state: "needed" });
  });

  test("gets one for Signalbox itself, where a client may have it", async () => {
    await node.toolsAre(robotTools);
    const answer = await node.call("robot__write", {});
    expect([answer.isError, answer.text]).toEqual([false, "did write"]);
    expect((await shown("robot")).authorization).toMatchObject({
      state: "authorized",
      issuer: issuer.issuer,
    });
  });

  test("is connected as soon as a person has consented", async () => {
    const begun = await node.admin<{ url: string; confirmation: string }>("POST", "/servers/files/authorize");
    expect(begun.status).toBe(200);
    const back = issuer.consent(begun.body.url);
    expect(back.origin).toBe(node.url);
    const page = await fetch(back);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("has asked to connect")]);
    const form = new URLSearchParams({
      ...Object.fromEntries(back.searchParams),
      confirmation: begun.body.confirmation,
    });
    const done = await fetch(`${back.origin}${back.pathname}`, {
      method: "POST",
      body: form,
      headers: { origin: back.origin },
    });
    expect([done.status, await done.text()]).toEqual([200, expect.stringContaining("is authorized")]);
    await node.toolsAre(allTools);
    expect((await node.call("files__look", {})).text).toBe("did look");
  });
});

describe("a call to it", () => {
  test("is done once and answered when its token has just ended", async () => {
    const doneBefore = files.done.filter((method) => method === "tools/call").length;
    issuer.expireTokens();
    const answer = await node.call("files__write", {});
    expect([answer.isError, answer.text]).toEqual([false, "did write"]);
    expect(files.done.filter((method) => method === "tools/call")).toHaveLength(doneBefore + 1);
  });

  test("never carries the caller's token, nor one made for another server", () => {
    for (const server of [files, robot]) {
      for (const { authorization } of server.received) {
        if (authorization === undefined) continue; // asked without one, for the challenge
        expect(authorization).not.toContain(node.agentToken);
        const token = authorization.replace(/^Bearer /, "");
        expect(issuer.tokens.get(token)?.audience).toBe(server.url);
      }
    }
    expect(bare.received.every(({ authorization }) => authorization === undefined)).toBe(true);
  });
});

test("what was consented to outlives the process, and no token is in its log or its answers", async () => {
  const log = node.log;
  await node.kill9();
  issuer.expireTokens();
  node = await NodeProcess.start({ directory, yaml });
  await node.toolsAre(allTools);
  expect((await node.call("files__look", {})).text).toBe("did look");
  const texts = [
    log,
    node.log,
    JSON.stringify((await node.admin("GET", "/servers")).body),
    JSON.stringify((await node.admin("GET", "/audit/entries")).body),
    JSON.stringify((await node.admin("GET", "/vault")).body),
  ];
  for (const secret of [...issuer.tokens.keys(), "robot-s3cret-value"]) {
    for (const text of texts) expect(text).not.toContain(secret);
  }
});

test("when the authorization is taken back, the server waits for a person again", async () => {
  issuer.expireTokens();
  issuer.forgetRefreshTokens();
  const refused = await node.call("files__look", {});
  expect([refused.code, refused.effect]).toEqual(["tool-unavailable", "none"]);
  const health = await healthOf("files", "down");
  expect(health.reason).toContain("signalbox servers authorize files");
  expect((await node.call("robot__look", {})).text).toBe("did look");
});
