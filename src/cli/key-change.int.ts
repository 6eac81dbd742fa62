import { chmodSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Machine } from "./machine.fixture.ts";
import { until } from "../../test/fixtures/until.ts";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.end());

const serve = ["serve", "--bootstrap-admin-key-file", "first.key", "--json"];

function put(keys: string): void {
  machine.put(
    "work/signalbox.yaml",
    `listen: { port: 0 }\ndata: { directory: data }\nkeys: ${keys}\npolicies: { files: ['*.cedar'] }\n`,
  );
}

test("a node goes from one key file to another: both open what is stored, then the new one alone does", async () => {
  const policy =
    '@id("admins") permit (principal is Person in Role::"admin", action in Action::"admin", resource);';
  machine.put("work/all.cedar", policy);
  for (const [name, byte] of [
    ["old", 7],
    ["new", 8],
  ] as const)
    chmodSync(machine.put(`work/${name}`, Buffer.alloc(32, byte).toString("base64")), 0o600);

  put("{ file: old }");
  const first = await machine.node(serve);
  const env = { SIGNALBOX_URL: first.said.url, SIGNALBOX_TOKEN: machine.read("work/first.key").trim() };
  const { secret } = await machine.json<{ secret: string }>(["tenants", "admin-key", "default"], { env });
  const admin = { SIGNALBOX_TOKEN: secret };
  await machine.run(["vault", "put", "github"], { stdin: "a secret", env: { ...env, ...admin } });
  expect(await first.node.stop()).toBe(0);

  put("{ file: new }");
  const refused = await machine.run(serve);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("were sealed under")]);

  put("{ file: new, otherFiles: [old] }");
  const both = await machine.node(serve);
  await until(() => both.node.stderr.includes("keys.otherFiles may go"));
  expect(await both.node.stop()).toBe(0);

  put("{ file: old }");
  expect((await machine.run(serve)).stderr).toContain("were sealed under");

  put("{ file: new }");
  const last = await machine.node(serve);
  const entries = await machine.json<object>(["audit", "ls"], {
    env: { SIGNALBOX_URL: last.said.url, SIGNALBOX_TOKEN: machine.read("work/first.key").trim() },
  });
  expect(JSON.stringify(entries)).toContain("admin.key.change");
  expect(await last.node.stop()).toBe(0);
  const verified = await machine.run(["audit", "verify", "--data", "data"]);
  expect([verified.code, verified.stderr]).toEqual([0, expect.anything()]);
});
