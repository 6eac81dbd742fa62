import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Announced } from "./machine.fixture.ts";
import { Machine } from "./machine.fixture.ts";
import { connected } from "./mcp.fixture.ts";

let machine: Machine;
let dev: Announced;

beforeAll(async () => {
  machine = new Machine();
  dev = (await machine.node(["dev", "--demo", "--port", "0", "--json"])).said;
});
afterAll(() => machine.end());

interface Page<T> {
  readonly items: readonly T[];
}
interface Receipted {
  readonly receipt: { readonly entry: string };
}

test("a command that runs for long is loaded without the others", async () => {
  const tell = machine.put(
    "tell-loads.mjs",
    `import { registerHooks } from "node:module";
     registerHooks({ load: (url, context, next) => (process.stderr.write(url + "\\n"), next(url, context)) });`,
  );
  const loadedBy = async (...args: string[]) => {
    const { stderr } = await machine.run(args, { env: { NODE_OPTIONS: `--import ${tell}` } });
    return [...stderr.matchAll(/cli\/commands\/(.+)\.ts/g)].map((match) => match[1]);
  };
  expect(await loadedBy("serve", "--help")).toEqual(["start"]);
  expect(await loadedBy("stdio", "--help")).toEqual(["start", "stdio"]);
  expect(await loadedBy("status", "--help")).toContain("vault");
});

const welcome = () => `${machine.work}/.signalbox/demo/files/welcome.txt`;

describe("agents, people, services", () => {
  test("an agent is created, gets a token that works, and none after it is revoked", async () => {
    await machine.json(["agents", "create", "invoicer", "--role", "clerk"]);
    const { token } = await machine.json<{ token: string }>(["agents", "token", "invoicer", "--ttl", "10m"]);
    const client = await connected(dev.mcp, token);
    expect((await client.listTools()).tools.length).toBeGreaterThan(20);
    await client.close();
    await machine.json(["agents", "revoke", "invoicer"]);
    await expect(connected(dev.mcp, token)).rejects.toThrow();
  });

  test("a key is shown once, listed without itself, and ends when it is revoked", async () => {
    await machine.json(["services", "create", "ci"]);
    const made = await machine.json<{ key: { id: string }; secret: string }>([
      "services",
      "keys",
      "create",
      "ci",
      "--label",
      "build",
    ]);
    const listed = await machine.run(["services", "keys", "ls", "ci", "--json"]);
    expect(listed.stdout).toContain(made.key.id);
    expect(listed.stdout).not.toContain(made.secret);
    const env = { SIGNALBOX_TOKEN: made.secret };
    expect((await machine.run(["status"], { env })).code).toBe(3); // it works, and may not administer
    await machine.json(["services", "keys", "revoke", "ci", made.key.id]);
    const after = await machine.run(["status"], { env });
    expect(after.code).toBe(3);
    expect(after.stderr).toContain("unauthenticated");
  });

  test("roles are set, and a disabled person is shown as such", async () => {
    await machine.json(["people", "create", "alice"]);
    await machine.json(["people", "roles", "alice", "finance", "approver"]);
    await machine.json(["people", "disable", "alice"]);
    expect(await machine.json(["people", "show", "alice"])).toMatchObject({
      roles: ["approver", "finance"],
      enabled: false,
    });
    await machine.json(["people", "enable", "alice"]);
    const table = await machine.run(["people", "ls", "--no-json"]);
    expect(table.stdout).toMatch(/^alice\s+enabled\s+approver, finance/m);
  });
});

describe("servers and tools", () => {
  test("a server is added, changed, disabled, enabled, probed and removed", async () => {
    const program = ["--", process.execPath, "-e", "setInterval(() => {}, 1000)"];
    await machine.json([
      "servers",
      "add",
      "quiet",
      "--call-timeout",
      "5s",
      "--env",
      "MODE=test",
      "--class",
      "look=read",
      "--json",
      ...program,
    ]);
    expect(await machine.json(["servers", "show", "quiet"])).toMatchObject({
      server: {
        callTimeoutMs: 5_000,
        transport: { command: process.execPath, env: { MODE: { literal: "test" } } },
        toolClasses: { look: { kind: "read" } },
      },
    });
    await machine.json(["servers", "change", "quiet", "--concurrency", "2", "--name", "silent"]);
    await machine.json(["servers", "disable", "silent"]);
    const probe = await machine.run(["servers", "probe", "silent"]);
    expect([probe.code, probe.stderr]).toEqual([1, expect.stringContaining("disabled")]);
    await machine.json(["servers", "enable", "silent"]);
    const versions = await machine.run(["servers", "versions", "silent", "--no-json"]);
    expect(versions.stdout).toMatch(
      /^4 .* changed .* silent +yes [^]*^3 .* silent +no [^]*^1 .* added .* quiet /m,
    );
    await machine.json(["servers", "rm", "silent"]);
    const gone = await machine.run(["servers", "show", "silent"]);
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining("not-found")]);
  });

  test("a server that lists a tool twice is shown to", async () => {
    const fixture = fileURLToPath(new URL("../../test/fixtures/servers/stdio.ts", import.meta.url));
    const options = JSON.stringify({ extraTools: [{ name: "echo", inputSchema: {} }] });
    await machine.json(["servers", "add", "twin", "--json", "--", process.execPath, fixture, options]);
    await machine.json(["servers", "probe", "twin"]);
    expect((await machine.run(["servers", "show", "twin", "--no-json"])).stdout).toMatch(
      /^left out +tools that it lists twice/m,
    );
    await machine.json(["servers", "rm", "twin"]);
  });

  test("a credential among the arguments is warned of, and one in the vault is referred to", async () => {
    const put = await machine.run(["vault", "put", "remote.token"], { stdin: "canary-secret-value\n" });
    expect(put.code).toBe(0);
    const vault = await machine.run(["vault", "ls", "--json"]);
    expect(put.stdout + put.stderr + vault.stdout).not.toContain("canary");
    const args = [
      "servers",
      "add",
      "remote",
      "--upstream",
      "http://127.0.0.1:9/mcp",
      "--disabled",
      "--header",
    ];
    const added = await machine.run([...args, "Authorization=${vault:remote.token}", "--json"]);
    expect([added.code, added.stderr]).toEqual([0, ""]);
    await machine.json(["servers", "rm", "remote"]);
    const warned = await machine.run([...args, "Authorization=Bearer abcdef0123456789", "--json"]);
    expect(warned.stderr).toContain("vault");
    await machine.json(["servers", "rm", "remote"]);
    await machine.json(["vault", "rm", "remote.token"]);
  });

  test("tools are listed by state, shown with their definition, and classed", async () => {
    const { items } = await machine.json<Page<{ name: string }>>([
      "tools",
      "ls",
      "--server",
      "memory",
      "--state",
      "live",
    ]);
    expect(items.map(({ name }) => name)).toContain("memory__read_graph");
    await machine.json(["tools", "set-class", "memory__create_entities", "verifiable:search_nodes"]);
    expect(await machine.json(["tools", "show", "memory__create_entities"])).toMatchObject({
      tool: { class: { kind: "verifiable", verifyTool: "search_nodes" } },
      definition: { name: "create_entities" },
    });
    const shown = await machine.run(["tools", "show", "memory__create_entities", "--no-json"]);
    expect(shown.stdout).toMatch(/^health +healthy$/m);
    const diff = await machine.run(["tools", "diff", "memory__read_graph", "--no-json"]);
    expect(diff.stdout).toContain("is offered as it was approved");
    const approve = await machine.run(["tools", "approve", "memory__read_graph", "0123456789"]);
    expect([approve.code, approve.stderr]).toEqual([1, expect.stringContaining("not quarantined")]);
  });

  test("resources and prompts are listed, and a server shows how many it offers", async () => {
    const resources = await machine.json<Page<{ uri: string; server: string; kind: string }>>([
      "resources",
      "ls",
      "--server",
      "everything",
    ]);
    expect(resources.items).toContainEqual(
      expect.objectContaining({ kind: "template", server: "everything" }),
    );
    const prompts = await machine.json<Page<{ name: string }>>(["prompts", "ls"]);
    expect(prompts.items.map(({ name }) => name)).toContain("everything__simple-prompt");
    expect((await machine.run(["prompts", "ls", "--server", "memory", "--no-json"])).stdout).toContain(
      "No server offers prompts.",
    );
    const shown = await machine.json<{ offers: { resources: number; prompts: number } }>([
      "servers",
      "show",
      "everything",
    ]);
    expect(shown.offers.prompts).toBe(prompts.items.length);
    const table = await machine.run(["servers", "show", "everything", "--no-json"]);
    expect(table.stdout).toMatch(
      /offers +\d+ tools, \d+ resources, \d+ resource templates, \d+ prompts, \d+ skills/,
    );
    const explained = await machine.run([
      "policy",
      "explain",
      "--agent",
      "dev",
      "--prompt",
      "everything__simple-prompt",
      "--json",
    ]);
    expect([explained.code, JSON.parse(explained.stdout)]).toMatchObject([0, { effect: "allow" }]);
  });

  test("import registers what a file names, once, with its secrets in the vault", async () => {
    const file = machine.put("work/other.json", {
      mcpServers: {
        hub: { url: "http://127.0.0.1:9/mcp", headers: { Authorization: "Bearer canary-0123456789" } },
        bad: {},
        signalbox: { url: dev.mcp.replace("127.0.0.1", "localhost") },
      },
    });
    const dry = await machine.json<{ servers: unknown }>(["import", file, "--dry-run"]);
    expect(dry.servers).toEqual([{ name: "hub", state: "would be added", reason: null }]);
    const first = await machine.run(["import", file, "--no-json"]);
    expect(first.code).toBe(0);
    expect(first.stdout).toContain("hub added");
    expect(first.stdout).toContain('Skipped "bad"');
    expect(first.stdout).toContain('Skipped "signalbox": it is this node.');
    expect(first.stdout + first.stderr).not.toContain("canary");
    expect((await machine.run(["import", file, "--no-json"])).stdout).toContain("is there already");
    expect(await machine.json(["servers", "show", "hub"])).toMatchObject({
      server: { transport: { headers: { Authorization: { vault: "hub.Authorization" } } } },
    });
  });
});

describe("limits", () => {
  test("are shown, changed one by one, and listed by version", async () => {
    expect(await machine.json(["limits", "show"])).toMatchObject({ version: 0, perPrincipalCallsMax: 100 });
    const set = await machine.run(["limits", "set", "--per-principal", "50", "--agent", "invoicer=5"]);
    expect([set.code, set.stderr]).toEqual([0, ""]);
    const typo = await machine.run(["limits", "set", "--agent", "invoicr=5"]);
    expect([typo.code, typo.stderr]).toEqual([0, expect.stringContaining('no agent "invoicr" yet')]);
    const more = [
      "--agent",
      "invoicr=none",
      "--agent",
      "invoicer=none",
      "--agent",
      "clerk=2",
      "--together",
      "400",
    ];
    expect(await machine.json(["limits", "set", ...more])).toMatchObject({
      limits: { version: 3, perPrincipalCallsMax: 50, tenantCallsMax: 400, agents: { clerk: 2 } },
    });
    const { items } = await machine.json<Page<{ version: number; agents: object }>>(["limits", "versions"]);
    expect(items.map(({ version, agents }) => [version, agents])).toEqual([
      [3, { clerk: 2 }],
      [2, { invoicer: 5, invoicr: 5 }],
      [1, { invoicer: 5 }],
    ]);
  });

  test("of an agent whose name no JSON may have are refused, not left out", async () => {
    const { code, stderr } = await machine.run(["limits", "set", "--agent", "__proto__=5"]);
    expect([code === 0, stderr]).toEqual([false, expect.stringContaining("__proto__")]);
  });

  test.each([
    [[], "Nothing is named"],
    [["--agent", "invoicer"], "is not <name>=<calls>"],
    [["--per-principal", "0"], "from 1 to 100000"],
    [["--together", "many"], "from 1 to 100000"],
  ])("that are not understood change nothing: %j", async (args, text) => {
    const { code, stderr } = await machine.run(["limits", "set", ...args]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(text)]);
    expect(await machine.json(["limits", "show"])).toMatchObject({ version: 3 });
  });
});

describe("calls and the ledger", () => {
  test("a call is listed, shown with its payload, proven, and its proof verified offline", async () => {
    const client = await connected(dev.mcp, dev.token);
    await client.callTool({ name: "files__read_text_file", arguments: { path: welcome() } });
    await client.callTool({ name: "files__read_text_file", arguments: { path: 5 } });
    await client.close();
    const { items } = await machine.json<Page<{ call: string; entry: string; outcome: { kind: string } }>>([
      "calls",
      "ls",
      "--tool",
      "files__read_text_file",
    ]);
    expect(items.map(({ outcome }) => outcome.kind)).toEqual(["refused", "succeeded"]);
    const read = items[1];
    if (read === undefined) throw new Error("the call is not listed");
    const table = await machine.run(["calls", "ls", "--no-json"]);
    expect(table.stdout).toMatch(/files__read_text_file\s+succeeded\s+dev\s/);
    const shown = await machine.run(["calls", "show", read.call, "--payload", "--no-json"]);
    expect(shown.stdout).toMatch(/under\s+.*limits 3.*policy [0-9a-f]{12}\b/);
    expect(shown.stdout).toContain("This file is read through Signalbox");
    await expect.poll(async () => (await machine.run(["audit", "prove", read.entry])).code).toBe(0);
    machine.put("work/receipt.txt", (await machine.run(["audit", "prove", read.entry])).stdout);
    machine.put("work/log.vkey", (await machine.run(["audit", "key"])).stdout);
    const verified = await machine.run([
      "audit",
      "verify-receipt",
      "receipt.txt",
      "--key",
      "log.vkey",
      "--json",
    ]);
    expect(JSON.parse(verified.stdout)).toMatchObject({ proven: true, entry: { id: read.entry } });
    machine.put(
      "work/forged.txt",
      machine
        .read("work/receipt.txt")
        .replace(/index (\d+)/, (_all, index: string) => `index ${Number(index) + 1}`),
    );
    const forged = await machine.run(["audit", "verify-receipt", "forged.txt", "--key", "log.vkey"]);
    expect([forged.code, forged.stderr]).toEqual([1, expect.stringContaining("receipt-inclusion")]);
  });

  test("a call that nobody left open cannot be resolved", async () => {
    const ran = await machine.run([
      "calls",
      "resolve",
      `call_${"0".repeat(26)}`,
      "--as",
      "done",
      "--reason",
      "looked",
    ]);
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("not-found")]);
    expect(await machine.json(["calls", "ls", "--state", "unknown"])).toEqual({ items: [], next: null });
  });

  test("every act is on record, and an export with proofs can be verified line by line", async () => {
    const made = await machine.json<Receipted>(["agents", "create", "recorded"]);
    const shown = await machine.run(["audit", "show", made.receipt.entry, "--json"]);
    expect(JSON.parse(shown.stdout)).toMatchObject({ entry: { method: "admin.agent.create", kind: "act" } });
    await expect.poll(async () => (await machine.run(["audit", "prove", made.receipt.entry])).code).toBe(0);
    const exported = await machine.run(["audit", "export", "--kind", "act", "--limit", "3", "--proofs"]);
    expect(exported.code).toBe(0);
    const lines = exported.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { receipt: string });
    expect(lines.length).toBe(3);
    const call = await machine.json<{ items: { call: string }[] }>(["audit", "ls", "--kind", "outcome"]);
    const of = call.items[0]?.call ?? "";
    const proofs = await machine.json<{ items: { file: string }[] }>([
      "audit",
      "prove",
      of,
      "--to",
      "proofs",
    ]);
    const key = ["--key", (await machine.run(["audit", "key"])).stdout.trim()];
    for (const { file } of proofs.items)
      expect((await machine.run(["audit", "verify-receipt", file, ...key])).code).toBe(0);
    machine.put("work/kept.txt", (await machine.run(["audit", "checkpoint"])).stdout);
    await machine.json(["agents", "create", "recorded-later"]);
    expect(await machine.json(["audit", "consistency", "kept.txt", ...key])).toMatchObject({
      consistent: true,
    });
    for (const to of ["log.tar", "log"]) {
      await machine.json(["audit", "export", "--to", to]);
      const proven = await machine.run([
        "audit",
        "verify",
        "--export",
        to,
        "--checkpoint",
        "kept.txt",
        ...key,
      ]);
      expect([proven.code, proven.stdout]).toEqual([0, expect.stringContaining('"trust": "given"')]);
    }
    const refused = await machine.run(["audit", "export", "--to", "log"]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("is there already")]);
    machine.put("work/line.txt", lines[0]?.receipt ?? "");
    machine.put("work/export.vkey", (await machine.run(["audit", "key"])).stdout);
    expect((await machine.run(["audit", "verify-receipt", "line.txt", "--key", "export.vkey"])).code).toBe(0);
  });
});

describe("the installation", () => {
  test("a tenant is created, and its admin let in, who sees nothing of the others", async () => {
    await machine.json(["tenants", "create", "finance"]);
    const { secret } = await machine.json<{ secret: string }>(["tenants", "admin-key", "finance"]);
    const env = { SIGNALBOX_TOKEN: secret, SIGNALBOX_URL: dev.url };
    expect(await machine.json(["agents", "ls"], { env })).toEqual({ items: [], next: null });
    expect(await machine.json(["status"], { env })).toMatchObject({ tenant: "finance" });
    const others = await machine.json<Page<{ id: string }>>(["tenants", "ls"], { env });
    expect(others.items.map(({ id }) => id)).toEqual(["finance"]);
  });

  test("doctor finds a healthy node, and each finding has an id", async () => {
    const port = new URL(dev.url).port;
    machine.put("work/signalbox.yaml", `listen: { port: ${port} }\n`);
    const { ok, findings } = await machine.json<{
      ok: boolean;
      findings: readonly { id: string; state: string; what: string }[];
    }>(["doctor"]);
    expect(ok).toBe(true);
    expect(findings.find(({ id }) => id === "listen")?.what).toContain("is ready");
    expect(findings.find(({ id }) => id === "ledger")?.state).toBe("ok");
  });
});
