import { afterEach, beforeEach, expect, test } from "vitest";
import { AuthorizationServer } from "../../test/fixtures/servers/authorization-server.ts";
import { ProtectedServer } from "../../test/fixtures/servers/protected-server.ts";
import { Machine } from "./machine.fixture.ts";

let machine: Machine;
let issuer: AuthorizationServer;
let server: ProtectedServer;
beforeEach(async () => {
  machine = new Machine();
  issuer = await new AuthorizationServer({ clients: { mine: "s3cret-of-mine" } }).start();
  server = await new ProtectedServer(issuer).start();
});
afterEach(async () => {
  await machine.end();
  await server.stop();
  await issuer.stop();
});

const show = async (): Promise<string> =>
  (await machine.run(["servers", "show", "files", "--no-json"])).stdout;

test("a server is added, waits, is authorized in a browser, and its tokens are forgotten again", async () => {
  await machine.node(["dev", "--no-import", "--port", "0", "--json"]);
  await machine.json(["servers", "add", "files", "--upstream", server.url, "--auth", "oauth"]);
  await expect.poll(show).toMatch(/cause +dependency/);
  expect(await show()).toMatch(/authorization +waits for: signalbox servers authorize files/);

  const begun = await machine.run(["servers", "authorize", "files", "--no-json"]);
  expect(begun.code).toBe(0);
  const url = /open +(\S+)/.exec(begun.stdout)?.[1] ?? "";
  const confirmation = /code to type +([0-9a-z-]+)/.exec(begun.stdout)?.[1] ?? "";
  const back = issuer.consent(url);
  const form = new URLSearchParams({ ...Object.fromEntries(back.searchParams), confirmation });
  const done = await fetch(`${back.origin}${back.pathname}`, { method: "POST", body: form });
  expect(await done.text()).toContain("is authorized");
  await expect.poll(show).toMatch(/state +healthy/);
  expect(await show()).toMatch(/token +until .*, then renewed/);

  expect((await machine.run(["servers", "deauthorize", "files"])).code).toBe(0);
  expect(await show()).toMatch(/authorization +waits for/);
});

test("secrets are references on the command line, and what does not fit together is refused before anything is sent", async () => {
  const add = (...options: string[]) => machine.run(["servers", "add", "x", ...options]);
  const literal = await add("--upstream", server.url, "--auth", "oauth", "--oauth-secret", "s3cret-of-mine");
  expect([literal.code, literal.stderr]).toEqual([2, expect.stringContaining("takes a reference")]);
  expect(literal.stderr).not.toContain("s3cret-of-mine");
  for (const options of [
    ["--upstream", server.url, "--oauth-issuer", issuer.issuer],
    ["--auth", "oauth", "--", "some-program"],
    ["--upstream", server.url, "--auth", "basic"],
  ]) {
    expect((await add(...options)).code).toBe(2);
  }
});
