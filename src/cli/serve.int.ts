import { chmodSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Machine } from "./machine.fixture.ts";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.end());

function production(): void {
  machine.put(
    "work/signalbox.yaml",
    "listen: { port: 0 }\ndata: { directory: data }\nkeys: { file: kek }\npolicies: { files: ['policies/*.cedar'] }\n",
  );
  machine.put(
    "work/policies/all.cedar",
    '@id("admins") permit (principal is Person in Role::"admin", action in Action::"admin", resource);',
  );
  chmodSync(machine.put("work/kek", Buffer.alloc(32, 7).toString("base64")), 0o600);
}

const serve = ["serve", "--bootstrap-admin-key-file", "first.key", "--json"];

describe("signalbox serve", () => {
  test("refuses each development default by its name, and starts nothing", async () => {
    machine.put("work/signalbox.yaml", "listen: { port: 0 }\n");
    const ran = await machine.run(["serve"]);
    expect(ran.code).toBe(3);
    for (const name of ["keys.file", "data.directory", "policies.files"]) expect(ran.stderr).toContain(name);
    expect(existsSync(join(machine.work, ".signalbox"))).toBe(false);
  });

  test("needs a configuration", async () => {
    const ran = await machine.run(["serve"]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("--config")]);
  });

  test("writes the first admin key once, which lets the first tenant's admin in, and prints no key", async () => {
    production();
    const { said, node } = await machine.node(serve);
    expect(said.firstAdminKey).toBe("written");
    expect(statSync(join(machine.work, "first.key")).mode & 0o777).toBe(0o600);
    const key = machine.read("work/first.key").trim();
    expect(node.stdout + node.stderr).not.toContain(key);
    const env = { SIGNALBOX_URL: said.url, SIGNALBOX_TOKEN: key };
    const { secret } = await machine.json<{ secret: string }>(["tenants", "admin-key", "default"], { env });
    expect(
      (await machine.run(["agents", "create", "first"], { env: { ...env, SIGNALBOX_TOKEN: secret } })).code,
    ).toBe(0);
    expect(await node.stop()).toBe(0);
    const again = await machine.node([...serve.slice(0, 2), "second.key", "--json"]);
    expect(again.said.firstAdminKey).toBe("not-needed");
    expect(existsSync(join(machine.work, "second.key"))).toBe(false);
  });

  test("writes it after all when the start before died on the way, and never over a file with something in it", async () => {
    production();
    chmodSync(machine.put("work/first.key", ""), 0o600); // before it had a key
    const first = await machine.node(serve);
    expect(first.said.firstAdminKey).toBe("written");
    const lost = machine.read("work/first.key");
    expect(await first.node.stop()).toBe(0);
    chmodSync(machine.put("work/first.key", ""), 0o600); // when it had one, and had not written it down
    const second = await machine.node(serve);
    expect(second.said.firstAdminKey).toBe("written");
    const key = machine.read("work/first.key");
    expect(key).not.toBe(lost);
    const env = { SIGNALBOX_URL: second.said.url, SIGNALBOX_TOKEN: key.trim() };
    expect((await machine.run(["tenants", "admin-key", "default"], { env })).code).toBe(0);
    expect(await second.node.stop()).toBe(0);
    expect((await machine.node(serve)).said.firstAdminKey).toBe("not-needed");
    expect(machine.read("work/first.key")).toBe(key);
  });

  test("leaves nothing for the command line, and finds no servers by itself", async () => {
    production();
    machine.put(".cursor/mcp.json", { mcpServers: { mine: { url: "http://127.0.0.1:9/mcp" } } });
    const { said } = await machine.node(serve);
    expect(existsSync(join(machine.work, "data", "cli.json"))).toBe(false);
    const env = { SIGNALBOX_URL: said.url, SIGNALBOX_TOKEN: machine.read("work/first.key").trim() };
    const { secret } = await machine.json<{ secret: string }>(["tenants", "admin-key", "default"], { env });
    expect(await machine.json(["servers", "ls"], { env: { ...env, SIGNALBOX_TOKEN: secret } })).toEqual({
      items: [],
      next: null,
    });
  });
});
