import { expect, test } from "vitest";
import { isOwnEndpoint } from "./own-endpoint.ts";

const leads = (url: string, node = "http://127.0.0.1:4680"): boolean =>
  isOwnEndpoint({ kind: "http", url, headers: {} }, node);

test.each([
  "http://127.0.0.1:4680/mcp",
  "http://127.0.0.2:4680/mcp?x=1#y",
  "http://127.1:4680/mcp",
  "http://2130706433:4680/mcp",
  "http://LOCALHOST:4680/mcp",
  "http://localhost.:4680/mcp",
  "http://signalbox.localhost:4680/mcp",
  "http://[::1]:4680/mcp",
  "http://[::ffff:127.0.0.1]:4680/mcp",
  "http://0.0.0.0:4680/mcp",
  "http://[::]:4680/x/../mcp",
])("%s is the endpoint of a node that listens on loopback", (url) => {
  expect(leads(url)).toBe(true);
});

test.each([
  ["another port", "http://127.0.0.1:4681/mcp"],
  ["another path", "http://127.0.0.1:4680/other/mcp"],
  ["another machine", "http://192.168.1.5:4680/mcp"],
  ["a name that only begins like ours", "http://localhost.example:4680/mcp"],
  ["a number that is no address", "http://127.example:4680/mcp"],
  ["nothing that can be read", "http://"],
])("%s is not", (_what, url) => {
  expect(leads(url)).toBe(false);
});

test("a node that listens everywhere is also found on loopback, one on another address only there", () => {
  expect(leads("http://localhost:4680/mcp", "http://0.0.0.0:4680")).toBe(true);
  expect(leads("http://localhost:4680/mcp", "http://[::]:4680")).toBe(true);
  expect(leads("http://192.168.1.5:4680/mcp", "http://192.168.1.5:4680")).toBe(true);
  expect(leads("http://localhost:4680/mcp", "http://192.168.1.5:4680")).toBe(false);
});

test("behind a proxy on its usual port, too", () => {
  expect(leads("https://box.example/mcp", "https://box.example:443/")).toBe(true);
  expect(leads("https://box.example/mcp", "http://box.example")).toBe(false);
});

const program = (command: string, ...args: string[]): boolean =>
  isOwnEndpoint({ kind: "stdio", command, args, env: {}, cwd: null }, "http://127.0.0.1:1");

test.each([
  ["signalbox", "stdio"],
  ["/usr/local/bin/signalbox", "stdio", "--data", "/x"],
  ["npx", "-y", "signalbox@0.1.0", "stdio"],
  ["node", "/opt/signalbox/src/cli/main.ts", "stdio"],
])("the bridge to this machine's node is our own: %s %s", (...words) => {
  const [command, ...args] = words;
  expect(program(command, ...args)).toBe(true);
});

test.each([
  ["x"],
  ["stdio", "signalbox"],
  ["npx", "other-signalbox", "stdio"],
  ["signalbox", "stdio", "--url", "http://box.example"],
  ["node", "server.js", "stdio"],
])("another program is not: %s %s", (...words) => {
  const [command, ...args] = words;
  expect(program(command, ...args)).toBe(false);
});
