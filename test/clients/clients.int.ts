import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { SigningPerson } from "../fixtures/signing-person.ts";

/**
 * Clients that people use, as they come from the registry: each lists and calls through a node with a token, and says it when the token is
 * wrong. One that knows how to sign in wants that then, and lists and calls when somebody has.
 */
const here = import.meta.dirname;
const root = join(here, "../..");
const everything = join(root, "node_modules/@modelcontextprotocol/server-everything/dist/index.js");
const module = (path: string): string => join(here, "node_modules", path);
const program = (name: string): string => join(here, "programs", `${name}.mjs`);
/** What of it counts as saying so: our words, or what the SDK makes of them. That a header is called Authorization says nothing. */
const wrongToken = /valid token|requires authorization \(HTTP 401\)|Please authorize this client by visiting/;
/** Node compiles some of these for seconds on a busy machine. */
const patienceMs = 60_000;

let directory: string;
let node: NodeProcess;

beforeAll(async () => {
  directory = newDirectory();
  node = await NodeProcess.start({
    directory,
    yaml: `
servers:
  everything: { command: ${JSON.stringify(process.execPath)}, args: ${JSON.stringify([everything, "stdio"])} }
`,
    limits: { connectTimeoutMs: 20_000, probeIntervalMs: 10_000, relistIntervalMs: 10_000 },
  });
  await node.toolsAre(["everything__echo"]);
}, patienceMs);
afterAll(async () => {
  await node.stop();
  removeDirectory(directory);
});

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** What a client has a browser opened with. */
const asked = /^https?:\/\/\S+\/oauth\/authorize\?\S+(?=\n)/m;

/** `signIn` is done once, when the client wants a browser opened; what it then says ends it. */
function run(
  args: readonly string[],
  token: string,
  signIn: (address: string) => Promise<"go on" | "give up"> = async () => "give up",
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: directory,
      // mcp-remote keeps what it learnt about servers in a directory of the user.
      env: {
        PATH: process.env["PATH"],
        HOME: directory,
        MCP_REMOTE_CONFIG_DIR: directory,
        AUTH: `Bearer ${token}`,
      },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: some start others, which would wait for a browser for ever.
      detached: true,
    });
    const end = () => process.kill(-(child.pid ?? 0), "SIGKILL");
    let isAsked = false;
    const look = (): void => {
      const address = asked.exec(err)?.[0];
      if (isAsked || address === undefined) return;
      isAsked = true;
      signIn(address).then((next) => next === "give up" && end(), reject);
    };
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
      look();
    });
    const giveUp = setTimeout(end, patienceMs - 5_000);
    child.once("close", (code) => {
      clearTimeout(giveUp);
      resolve({ code, out, err });
    });
  });
}

const mcpRemote = module("mcp-remote/dist/proxy.js");
const inspector = module("@modelcontextprotocol/inspector/clients/launcher/build/index.js");

/** How each is started for this URL and token. */
const clients: readonly [string, (url: string, token: string) => string[]][] = [
  ["the official SDK, second version, modern", (url, token) => [program("sdk-v2"), url, token, "auto"]],
  ["the official SDK, second version, legacy", (url, token) => [program("sdk-v2"), url, token, "legacy"]],
  ["the official SDK, first version", (url, token) => [program("sdk-v1"), url, token]],
  ["AI SDK", (url, token) => [program("ai-sdk"), url, token]],
  ["OpenAI Agents", (url, token) => [program("openai-agents"), url, token]],
  ["Mastra", (url, token) => [program("mastra"), url, token]],
  ["LangChain's adapters", (url, token) => [program("langchain"), url, token]],
  ["mcp-remote", (url) => throughMcpRemote(url, "--header", "Authorization:${AUTH}")],
];

const throughMcpRemote = (url: string, ...more: readonly string[]): string[] => [
  program("stdio"),
  process.execPath,
  mcpRemote,
  url,
  "--allow-http",
  ...more,
];

function expectEcho(ran: Ran): void {
  expect(ran.code, ran.err.slice(-2_000)).toBe(0);
  const said = JSON.parse(ran.out.trim().split("\n").at(-1) ?? "") as { tools: string[]; text: string };
  expect(said.tools).toContain("everything__echo");
  expect(said.text).toContain("Echo: hello");
}

describe.each(clients)("%s", (_name, start) => {
  test(
    "lists and calls",
    async () => {
      const ran = await run(start(`${node.url}/mcp`, node.agentToken), node.agentToken);
      expectEcho(ran);
    },
    patienceMs,
  );

  test(
    "says that a wrong token is the trouble",
    async () => {
      const ran = await run(start(`${node.url}/mcp`, "wrong"), "wrong");
      expect(ran.code).not.toBe(0);
      expect(ran.err).toMatch(wrongToken);
    },
    patienceMs,
  );
});

describe("mcp-remote without a token", () => {
  test(
    "wants somebody to sign in, and lists and calls when that has been done",
    async () => {
      const key = await node.admin<{ secret: string }>("POST", "/agents/tester/keys", {
        label: "x",
        ttlMs: null,
      });
      const ran = await run(throughMcpRemote(`${node.url}/mcp`), "none", async (address) => {
        const back = await new SigningPerson().allow(address, key.body.secret);
        // The browser follows. No person is as fast as this one: it listens a moment after it has said the address.
        await until(() =>
          fetch(back).then(
            ({ ok }) => ok,
            () => false,
          ),
        );
        return "go on";
      });
      expectEcho(ran);
    },
    patienceMs,
  );
});

describe("the Inspector on the command line", () => {
  const start = (token: string, ...rest: string[]) => [
    inspector,
    "--cli",
    `${node.url}/mcp`,
    "--transport",
    "http",
    "--header",
    `Authorization: Bearer ${token}`,
    ...rest,
  ];

  test(
    "lists and calls",
    async () => {
      const listed = await run(start(node.agentToken, "--method", "tools/list"), node.agentToken);
      expect(listed.code, listed.err.slice(-2_000)).toBe(0);
      expect(listed.out).toContain("everything__echo");
      const call = [
        "--method",
        "tools/call",
        "--tool-name",
        "everything__echo",
        "--tool-arg",
        "message=hello",
      ];
      const called = await run(start(node.agentToken, ...call), node.agentToken);
      expect(called.out).toContain("Echo: hello");
    },
    patienceMs,
  );

  test(
    "says that a wrong token is the trouble",
    async () => {
      // Without the option it would have a person sign in somewhere, and says only that there is no terminal for it.
      const ran = await run(start("wrong", "--stored-auth-only", "--method", "tools/list"), "wrong");
      expect(ran.code).not.toBe(0);
      expect(ran.out + ran.err).toMatch(wrongToken);
    },
    patienceMs,
  );
});
