import { describe, expect, test } from "vitest";
import { askToolName } from "../../contract/index.ts";
import { wallMs } from "../base/index.ts";
import type { Sha256Hex } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { Health, HealthTransition, Pin } from "./index.ts";
import { askTool } from "./own-tools.ts";
import { Rig, codeOf, definition, stdio, value } from "./rig.suite.ts";

const other = "other" as TenantId;
const down = (at: number, reason = "the process ended with code 1"): Health => ({
  state: "down",
  since: wallMs(at),
  cause: "dependency",
  reason,
});
const healthy = (at: number): Health => ({ state: "healthy", since: wallMs(at) });

describe("servers", () => {
  test("are added with defaults, changed, disabled and removed, and every version is kept", async () => {
    const rig = await Rig.started();
    const added = await rig.add("files");
    expect(added).toMatchObject({
      enabled: true,
      era: null,
      callTimeoutMs: 60_000,
      origin: "api",
      version: 1,
    });
    const { id } = added;
    await rig.commit(rig.registry.changeServer(defaultTenant, id, { name: "docs", concurrencyMax: 2 }));
    await rig.commit(rig.registry.setServerEnabled(defaultTenant, id, false));
    expect(rig.registry.serverNamed(defaultTenant, "files")).toBeNull();
    expect(rig.registry.serverNamed(defaultTenant, "docs")).toMatchObject({
      id,
      concurrencyMax: 2,
      version: 3,
    });
    const last = await rig.commit(rig.registry.removeServer(defaultTenant, id));
    expect(rig.registry.serversOf(defaultTenant)).toEqual([]);
    const versions = await rig.registry.versionsOf(last, 10);
    expect(versions.map((version) => [version.version, version.change, version.settings.name])).toEqual([
      [4, "removed", "docs"],
      [3, "changed", "docs"],
      [2, "changed", "docs"],
      [1, "added", "files"],
    ]);
    expect(await rig.registry.versionsOf(last, 10, 2)).toHaveLength(1);
  });

  test("keep their id and their tools through a rename; the tools' exposed names follow", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    await rig.offer(id, [definition("read")]);
    await rig.commit(rig.registry.changeServer(defaultTenant, id, { name: "docs" }));
    expect(rig.registry.toolNamed(defaultTenant, "files__read")).toBeNull();
    expect(rig.tool("docs__read").id).toBe(`${id}/read`);
  });

  test("free their name when they are removed, and never come back by it", async () => {
    const rig = await Rig.started();
    const first = await rig.add("files");
    await rig.offer(first.id, [definition("read")]);
    expect(codeOf(rig.registry.addServer(defaultTenant, { name: "files", transport: stdio() }))).toBe(
      "conflict",
    );
    await rig.commit(rig.registry.removeServer(defaultTenant, first.id));
    const second = await rig.add("files");
    expect(second.id).not.toBe(first.id);
    expect(rig.registry.toolsOf(defaultTenant)).toEqual([]);
    await rig.restart();
    expect(rig.registry.serversOf(defaultTenant).map((server) => server.id)).toEqual([second.id]);
    expect(rig.registry.toolsOf(defaultTenant)).toEqual([]);
  });

  test("added twice at once under one name conflict in the store", async () => {
    const rig = await Rig.started();
    const one = value(rig.registry.addServer(defaultTenant, { name: "files", transport: stdio() }));
    const two = value(rig.registry.addServer(defaultTenant, { name: "files", transport: stdio() }));
    expect(await rig.tryCommit(one)).toBe(true);
    expect(await rig.tryCommit(two)).toBe(false);
    // The name is free in another tenant.
    await rig.commit(rig.registry.addServer(other, { name: "files", transport: stdio() }));
  });

  test("of another tenant look like missing ones", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    await rig.offer(id, [definition("read")]);
    const answers = [
      rig.registry.changeServer(other, id, { enabled: false }),
      rig.registry.removeServer(other, id),
      rig.registry.removeServer(defaultTenant, "srv_none" as typeof id),
    ];
    for (const answer of answers) {
      expect(answer).toEqual({
        ok: false,
        refusal: { code: "not-found", detail: "There is no such server." },
      });
    }
    expect(rig.registry.toolNamed(other, "files__read")).toBeNull();
    expect(rig.registry.toolById(other, `${id}/read`)).toBeNull();
    expect(rig.registry.serverNamed(other, "files")).toBeNull();
    expect(
      codeOf(rig.registry.setClass({ ...rig.tool("files__read"), tenant: other }, { kind: "read" })),
    ).toBe("not-found");
  });

  test("with bad settings are refused with everything that is wrong", async () => {
    const rig = await Rig.started();
    const bad = rig.registry.addServer(defaultTenant, {
      name: "Signal__Box",
      transport: {
        kind: "http",
        url: "ftp://user:pw@host/#x",
        headers: {
          Host: { literal: "x" },
          "mcp-session-id": { literal: "x" },
          good: { literal: "a\r\nb" },
          GOOD: { vault: "../x" },
          "b d": { literal: "" },
        },
      },
      callTimeoutMs: 1,
      concurrencyMax: 1.5,
      toolClasses: { a: { kind: "verifiable", verifyTool: "a" } },
    });
    expect(codeOf(bad)).toBe("invalid-params");
    const problems = bad.ok ? [] : (bad.refusal.evidence?.["problems"] as { path: string[] }[]);
    expect(problems.map((problem) => problem.path.join("."))).toEqual([
      "name",
      "transport.url",
      "transport.url",
      "transport.url",
      "transport.headers.Host",
      "transport.headers.mcp-session-id",
      "transport.headers.good",
      "transport.headers.GOOD",
      "transport.headers.GOOD",
      "transport.headers.b d",
      "callTimeoutMs",
      "concurrencyMax",
      "toolClasses.a",
    ]);
    for (const name of ["signalbox", "", "-a", "a--b", "a_b", "x".repeat(25), "é"]) {
      expect(codeOf(rig.registry.addServer(defaultTenant, { name, transport: stdio() }))).toBe(
        "invalid-params",
      );
    }
    const nul = { ...stdio("a\0b"), args: ["\0"], env: { "A=B": { literal: "x" } } };
    expect(codeOf(rig.registry.addServer(defaultTenant, { name: "a", transport: nul }))).toBe(
      "invalid-params",
    );
  });

  test("remember the era that was found until they are reached in another way, without a new version", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    await rig.commit(rig.registry.rememberEra(id, "legacy"));
    await rig.restart();
    expect(rig.registry.server(id)).toMatchObject({ era: "legacy", version: 1 });
    expect(value(rig.registry.rememberEra(id, "legacy")).writes).toEqual([]);
    await rig.commit(rig.registry.changeServer(defaultTenant, id, { concurrencyMax: 3 }));
    expect(rig.registry.server(id)?.era).toBe("legacy");
    await rig.commit(rig.registry.changeServer(defaultTenant, id, { transport: stdio("other") }));
    expect(rig.registry.server(id)?.era).toBeNull();
    await rig.commit(rig.registry.changeServer(defaultTenant, id, { era: "modern" }));
    expect(value(rig.registry.rememberEra(id, "legacy")).writes).toEqual([]);
    expect(rig.registry.server(id)?.era).toBe("modern");
  });
});

describe("classes", () => {
  const withKey = definition("pay", {
    inputSchema: { type: "object", properties: { key: { type: "string" }, amount: { type: "number" } } },
  });

  test("are set when the definition can bear them", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("bank");
    await rig.offer(id, [withKey, definition("find_payment")]);
    const pay = rig.tool("bank__pay");
    const set = (toolClass: Parameters<typeof rig.registry.setClass>[1]) =>
      codeOf(rig.registry.setClass(pay, toolClass));
    expect(set({ kind: "idempotent", keyArgument: "amount" })).toBe("invalid-params");
    expect(set({ kind: "idempotent", keyArgument: "constructor" })).toBe("invalid-params");
    expect(set({ kind: "verifiable", verifyTool: "missing" })).toBe("invalid-params");
    expect(set({ kind: "verifiable", verifyTool: "pay" })).toBe("invalid-params");
    expect(set({ kind: "verifiable", verifyTool: "find_payment" })).toBe("ok");
    const verifyTool = "find_payment";
    expect(set({ kind: "verifiable", verifyTool, verifyArguments: ["key"] })).toBe("ok");
    expect(set({ kind: "verifiable", verifyTool, verifyArguments: ["toString"] })).toBe("invalid-params");
    await rig.commit(rig.registry.setClass(pay, { kind: "idempotent", keyArgument: "key" }));
    await rig.restart();
    expect(rig.tool("bank__pay").class).toEqual({ kind: "idempotent", keyArgument: "key" });
  });

  test("of tools that only read may have a probe, within bounds, which is gone with the class", async () => {
    const rig = await Rig.started();
    const probe = { arguments: { key: "a", deep: [{ q: [1, { r: null }] }] }, everyMs: 60_000 };
    const { id } = await rig.add("bank", { toolClasses: { find: { kind: "read", probe } } });
    await rig.offer(id, [definition("find"), withKey]);
    expect(rig.tool("bank__find").class).toEqual({ kind: "read", probe });
    const pay = rig.tool("bank__pay");
    const set = (more: object) =>
      codeOf(rig.registry.setClass(pay, { kind: "read", probe: { ...probe, ...more } }));
    for (const everyMs of [9_999, 86_400_001, 10_000.5, Number.NaN])
      expect(set({ everyMs })).toBe("invalid-params");
    expect(set({ arguments: { key: "x".repeat(20_000) } })).toBe("invalid-params");
    expect(set({ arguments: { key: 2 ** 60 } })).toBe("invalid-params");
    await rig.commit(rig.registry.setClass(pay, { kind: "read", probe }));
    await rig.restart();
    expect(rig.tool("bank__pay").class).toEqual({ kind: "read", probe });
    await rig.commit(rig.registry.setClass(rig.tool("bank__pay"), { kind: "effect" }));
    expect(rig.tool("bank__pay").class).toEqual({ kind: "effect" });
  });

  test("fall back to effect when an approved definition no longer bears them", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("bank");
    await rig.offer(id, [withKey]);
    await rig.commit(
      rig.registry.setClass(rig.tool("bank__pay"), { kind: "idempotent", keyArgument: "key" }),
    );
    await rig.offer(id, [definition("pay")]);
    const tool = rig.tool("bank__pay");
    const offered = tool.state.kind === "quarantined" ? tool.state.offeredPin : ("" as Pin);
    const approved = await rig.commit(rig.registry.approvePin(tool, offered));
    expect(approved.classReset).toContain('no argument "key"');
    expect(rig.tool("bank__pay").class).toEqual({ kind: "effect" });
  });

  test("declared with the server hold from the moment the tool is seen, where they fit", async () => {
    const rig = await Rig.started();
    const toolClasses = {
      read: { kind: "read" },
      pay: { kind: "idempotent", keyArgument: "nothing" },
    } as const;
    const { id } = await rig.add("bank", { toolClasses });
    const report = await rig.offer(id, [definition("read"), withKey]);
    expect(rig.tool("bank__read").class.kind).toBe("read");
    expect(rig.tool("bank__pay").class.kind).toBe("effect");
    expect(report.added[1]?.classProblem).toContain('no argument "nothing"');
  });
});

describe("health", () => {
  test("of a server nobody heard of is connecting, and its tools are listed and may be called", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    await rig.offer(id, [definition("read")]);
    expect(rig.registry.healthOf(rig.tool("files__read")).state).toBe("connecting");
    expect(rig.registry.callableToolsOf(defaultTenant)).toHaveLength(1);
  });

  test("down refuses calls with cause and reason, hides the tools, and grows the revision once", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    await rig.offer(id, [definition("read")]);
    const transitions: HealthTransition[] = [];
    rig.registry.onHealth((transition) => transitions.push(transition));
    const before = rig.registry.revision(defaultTenant);
    rig.registry.reportHealth(id, down(1));
    rig.registry.reportHealth(id, down(2, "it still does\u001b[2J not start"));
    expect(rig.registry.revision(defaultTenant)).toBe(before + 1);
    expect(transitions.map(({ from, to }) => [from?.state, to.state])).toEqual([["connecting", "down"]]);
    expect(rig.registry.callable(rig.tool("files__read"))).toMatchObject({
      ok: false,
      refusal: {
        code: "tool-unavailable",
        detail: 'The server "files" is down (dependency): it still does\\u{1b}[2J not start',
        evidence: { cause: "dependency", since: 1 },
      },
    });
    expect(rig.registry.callableToolsOf(defaultTenant)).toEqual([]);
    expect(rig.registry.toolsOf(defaultTenant)).toHaveLength(1);
    rig.registry.reportHealth(id, healthy(3));
    expect(codeOf(rig.registry.callable(rig.tool("files__read")))).toBe("ok");
  });

  test("of a tool is the worse of its own and its server's", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    await rig.offer(id, [definition("read"), definition("write")]);
    const read = rig.tool("files__read");
    rig.registry.reportHealth(id, healthy(1));
    const flawed: Health = {
      state: "degraded",
      since: wallMs(2),
      cause: "correctness",
      reason: "its results do not fit its output schema",
    };
    rig.registry.reportToolHealth(read, flawed);
    expect(rig.registry.healthOf(read)).toEqual(flawed);
    expect(codeOf(rig.registry.callable(read))).toBe("ok");
    expect(rig.registry.healthOf(rig.tool("files__write")).state).toBe("healthy");
    rig.registry.reportToolHealth(read, { ...flawed, state: "down" });
    expect(rig.registry.callable(read)).toMatchObject({
      refusal: {
        code: "tool-unavailable",
        detail: '"files__read" is down (correctness): its results do not fit its output schema',
        evidence: { cause: "correctness", since: 2 },
      },
    });
    expect(codeOf(rig.registry.probeable(read))).toBe("ok");
    rig.registry.reportHealth(id, down(3));
    expect(codeOf(rig.registry.probeable(read))).toBe("tool-unavailable");
    expect(rig.registry.healthOf(read)).toMatchObject({ cause: "dependency" });
    rig.registry.reportHealth(id, healthy(4));
    rig.registry.reportToolHealth(read, healthy(5));
    expect(rig.registry.healthOf(read).state).toBe("healthy");
  });

  test("is forgotten when the server is reached in another way, and with the server", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    rig.registry.reportHealth(id, down(1));
    await rig.commit(rig.registry.changeServer(defaultTenant, id, { callTimeoutMs: 500 }));
    expect(rig.registry.serverHealth(id).state).toBe("down");
    await rig.commit(rig.registry.changeServer(defaultTenant, id, { transport: stdio("other") }));
    expect(rig.registry.serverHealth(id).state).toBe("connecting");
    await rig.commit(rig.registry.removeServer(defaultTenant, id));
    rig.registry.reportHealth(id, down(2));
  });

  test("does not matter for a disabled server", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    await rig.offer(id, [definition("read")]);
    const stale = rig.tool("files__read");
    await rig.commit(rig.registry.setServerEnabled(defaultTenant, id, false));
    expect(rig.registry.callable(stale)).toMatchObject({
      refusal: { code: "tool-unavailable", detail: 'The server "files" is disabled.' },
    });
    await rig.commit(rig.registry.removeServer(defaultTenant, id));
    expect(codeOf(rig.registry.callable(stale))).toBe("unknown-tool");
  });
});

describe("listing", () => {
  test("is in one order whatever order things came in, and the same after a restart", async () => {
    const rig = await Rig.started();
    const b = await rig.add("b");
    const a = await rig.add("a");
    await rig.offer(b.id, [definition("z"), definition("y")]);
    await rig.offer(a.id, [definition("B"), definition("a")]);
    const names = () => rig.registry.toolsOf(defaultTenant).map((tool) => tool.exposedName);
    expect(names()).toEqual(["a__B", "a__a", "b__y", "b__z"]);
    await rig.restart();
    expect(names()).toEqual(["a__B", "a__a", "b__y", "b__z"]);
  });

  test("keeps the objects of tools that did not change", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    await rig.offer(id, [definition("read"), definition("write")]);
    const before = rig.tool("files__read");
    await rig.commit(rig.registry.setClass(rig.tool("files__write"), { kind: "read" }));
    expect(rig.tool("files__read")).toBe(before);
    const list = rig.registry.callableToolsOf(defaultTenant);
    expect(rig.registry.callableToolsOf(defaultTenant)).toBe(list);
  });

  test("without prefix has the upstream names, never one of our own, and no two alike", async () => {
    const rig = await Rig.started();
    const a = await rig.add("a");
    const b = await rig.add("b");
    await rig.restart({ unprefixed: a.id });
    await rig.offer(b.id, [definition("x")]);
    const report = await rig.offer(a.id, [
      definition("read"),
      definition("B__X"),
      definition("signalbox__wait"),
    ]);
    expect(rig.registry.toolsOf(defaultTenant).map((tool) => tool.exposedName)).toEqual(["read", "b__x"]);
    expect(report.refused.map((refused) => refused.name)).toEqual(["B__X", "signalbox__wait"]);
  });

  test("of a node's own is there in every tenant, is in no list, and is nobody else's to change", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("a");
    await rig.restart({ unprefixed: id });
    const report = await rig.offer(id, [definition(askToolName), definition("ask")]);
    expect(report.refused.map(({ name }) => name)).toEqual([askToolName]);
    const own = rig.tool(askToolName);
    expect(own).toMatchObject({ id: "signalbox/ask", class: { kind: "read" }, pin: askTool.pin });
    expect(rig.registry.toolById(defaultTenant, own.id)).toBe(own);
    expect(rig.registry.toolById(other, own.id)?.tenant).toBe(other);
    expect(rig.registry.callable(own).ok).toBe(true);
    expect(rig.registry.toolsOf(defaultTenant)).not.toContain(own);
    expect(rig.registry.serverNamed(defaultTenant, "signalbox")).toBeNull();
    expect(rig.registry.setClass(own, { kind: "effect" })).toMatchObject({
      ok: false,
      refusal: { code: "not-found" },
    });
    const named = rig.registry.addServer(defaultTenant, {
      name: "signalbox",
      transport: { kind: "http", url: "http://127.0.0.1:1/mcp", headers: {} },
    });
    expect(named.ok).toBe(false);
  });

  test("without prefix for the only server ends when there is a second", async () => {
    const rig = await Rig.started({ unprefixed: true });
    const { id } = await rig.add("a");
    await rig.offer(id, [definition("read")]);
    expect(rig.tool("read").id).toBe(`${id}/read`);
    await rig.add("b");
    expect(rig.tool("a__read").id).toBe(`${id}/read`);
  });

  test("keeps back a tool whose name collides only after prefixes changed, and says so", async () => {
    const rig = await Rig.started();
    const a = await rig.add("a");
    const b = await rig.add("b");
    await rig.offer(b.id, [definition("x")]);
    rig.clock.advance(1);
    await rig.offer(a.id, [definition("b__x")]);
    await rig.restart({ unprefixed: a.id });
    expect(rig.tool("b__x").server.id).toBe(b.id);
    expect(rig.registry.collisionsOf(defaultTenant)).toMatchObject([
      { tool: { name: "b__x" }, kept: "b__x" },
    ]);
  });

  test("tells its listeners after every change", async () => {
    const rig = await Rig.started();
    const seen: number[] = [];
    const stop = rig.registry.onChange((tenant) => seen.push(rig.registry.revision(tenant)));
    const { id } = await rig.add("files");
    await rig.offer(id, [definition("read")]);
    stop();
    await rig.commit(rig.registry.removeServer(defaultTenant, id));
    expect(seen).toHaveLength(2);
    expect(seen[1]).toBeGreaterThan(seen[0] ?? 0);
  });
});

describe("a restart", () => {
  test("finds everything as it was, quarantine included", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files", {
      transport: {
        kind: "http",
        url: "https://x.example/mcp",
        headers: { Authorization: { vault: "token" } },
      },
    });
    await rig.offer(id, [definition("read"), definition("write"), definition("drop")]);
    await rig.commit(rig.registry.setClass(rig.tool("files__read"), { kind: "read" }));
    await rig.offer(id, [definition("read"), definition("write", { outputSchema: {} })]);
    const before = rig.registry.toolsOf(defaultTenant);
    await rig.restart();
    expect(rig.registry.toolsOf(defaultTenant)).toEqual(before);
    expect(before.map((tool) => tool.state.kind)).toEqual(["gone", "live", "quarantined"]);
  });

  test("forgets a tool that is gone for good once it is told to", async () => {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    await rig.offer(id, [definition("read")]);
    expect(codeOf(await rig.registry.forgetTool(rig.tool("files__read")))).toBe("conflict");
    await rig.offer(id, [definition("Read")]);
    await rig.commit(rig.registry.forgetTool(rig.tool("files__read")));
    expect((await rig.offer(id, [definition("Read")])).added).toHaveLength(1);
    await rig.restart();
    expect(rig.registry.toolsOf(defaultTenant).map((tool) => tool.name)).toEqual(["Read"]);
  });

  test("stop and start are safe to call twice", async () => {
    const rig = await Rig.started();
    await rig.registry.start();
    rig.registry.stop();
    rig.registry.stop();
  });
});

describe("policy versions", () => {
  const one = [{ name: "a.cedar", text: "permit(principal, action, resource);" }];
  const two = [{ name: "b.cedar", text: "forbid(principal, action, resource);" }, ...one];

  test("are kept by digest, one of them in force per tenant, and can be gone back to", async () => {
    const rig = await Rig.started();
    expect(rig.registry.activePolicies(defaultTenant)).toBeNull();
    const first = await rig.commit(rig.registry.putPolicies(defaultTenant, one));
    rig.clock.advance(10);
    const second = await rig.commit(rig.registry.putPolicies(defaultTenant, two));
    expect(second.sources.map((source) => source.name)).toEqual(["a.cedar", "b.cedar"]);
    expect(value(await rig.registry.putPolicies(defaultTenant, two.toReversed())).writes).toEqual([]);
    await rig.commit(rig.registry.activatePolicies(defaultTenant, first.digest));
    await rig.restart();
    expect(rig.registry.activePolicies(defaultTenant)?.version).toEqual(first);
    expect(await rig.registry.policyVersions(defaultTenant, 10)).toHaveLength(2);
    expect(await rig.registry.policyVersion(other, first.digest)).toBeNull();
    expect(codeOf(await rig.registry.activatePolicies(other, first.digest))).toBe("not-found");
    // Back to texts that were loaded before: their row is there already.
    await rig.commit(rig.registry.putPolicies(defaultTenant, two));
    expect(rig.registry.activePolicies(defaultTenant)?.version.digest).toBe(second.digest);
  });

  test("are bounded and changed by one at a time", async () => {
    const rig = await Rig.started();
    const big = [{ name: "a", text: "x".repeat(4 * 1024 * 1024 + 1) }];
    expect(codeOf(await rig.registry.putPolicies(defaultTenant, big))).toBe("invalid-params");
    expect(codeOf(await rig.registry.putPolicies(defaultTenant, [...one, ...one]))).toBe("invalid-params");
    const left = value(await rig.registry.putPolicies(defaultTenant, one));
    const right = value(await rig.registry.putPolicies(defaultTenant, two));
    expect(await rig.tryCommit(left)).toBe(true);
    expect(await rig.tryCommit(right)).toBe(false);
  });
});

describe("the servers of a file", () => {
  const digest = (n: number): Sha256Hex => String(n).padStart(64, "0") as Sha256Hex;
  const server = (name: string, more: object = {}) => ({ name, transport: stdio(), ...more });
  const apply = async (rig: Rig, n: number, servers: ReturnType<typeof server>[]): Promise<string[]> => {
    const changes = value(rig.registry.applyFile(defaultTenant, { digest: digest(n), servers }));
    for (const change of changes) await rig.commit({ ok: true, value: change });
    return changes.map((change) => `${change.value.kind} ${change.value.server ?? ""}`.trim());
  };

  test("are added, changed and removed by the file alone, and only when its digest changed", async () => {
    const rig = await Rig.started();
    const own = await rig.add("own");
    expect(await apply(rig, 1, [server("a"), server("b", { callTimeoutMs: 500 })])).toEqual([
      "server-added a",
      "server-added b",
      "file-applied",
    ]);
    const b = rig.registry.serverNamed(defaultTenant, "b");
    expect(await apply(rig, 1, [])).toEqual([]);
    await rig.restart();
    expect(await apply(rig, 1, [])).toEqual([]);
    expect(await apply(rig, 2, [server("b"), server("c")])).toEqual([
      "server-removed a",
      "server-changed b",
      "server-added c",
      "file-applied",
    ]);
    expect(rig.registry.serverNamed(defaultTenant, "b")).toMatchObject({ id: b?.id, callTimeoutMs: 60_000 });
    expect(rig.registry.server(own.id)).toMatchObject({ origin: "api" });
    expect(codeOf(rig.registry.removeServer(defaultTenant, b!.id))).toBe("conflict");
    expect(codeOf(rig.registry.setServerEnabled(defaultTenant, b!.id, false))).toBe("conflict");
  });

  test("conflict with those of the API by name, before anything is changed", async () => {
    const rig = await Rig.started();
    await rig.add("a");
    const answer = rig.registry.applyFile(defaultTenant, {
      digest: digest(1),
      servers: [server("z"), server("a")],
    });
    expect(answer).toMatchObject({ refusal: { code: "conflict", detail: expect.stringContaining('"a"') } });
  });

  test("after a crash in between are completed at the next start", async () => {
    const rig = await Rig.started();
    const changes = value(
      rig.registry.applyFile(defaultTenant, { digest: digest(1), servers: [server("a"), server("b")] }),
    );
    await rig.commit({ ok: true, value: changes[0]! });
    await rig.restart();
    expect(await apply(rig, 1, [server("a"), server("b")])).toEqual(["server-added b", "file-applied"]);
  });

  test("bring the classes of their tools, and take them back", async () => {
    const rig = await Rig.started();
    const classes = (toolClasses: object) => [server("a", { toolClasses })];
    await apply(rig, 1, classes({ read: { kind: "read" } }));
    const { id } = rig.registry.serverNamed(defaultTenant, "a")!;
    await rig.offer(id, [definition("read"), definition("pay")]);
    expect(rig.tool("a__read").class.kind).toBe("read");
    expect(codeOf(rig.registry.setClass(rig.tool("a__read"), { kind: "effect" }))).toBe("conflict");
    await rig.commit(rig.registry.setClass(rig.tool("a__pay"), { kind: "read" }));
    for (const [times, everyMs] of [60_000, 90_000].entries()) {
      const read = { kind: "read", probe: { arguments: { b: 1, a: 2 }, everyMs } };
      await apply(rig, 10 + times, classes({ read }));
      expect(rig.tool("a__read").class).toEqual(read);
    }
    await apply(rig, 2, classes({ nothing: { kind: "read" } }));
    expect(rig.tool("a__read").class.kind).toBe("effect");
    expect(rig.tool("a__pay").class.kind).toBe("read");
    const changes = value(
      rig.registry.applyFile(defaultTenant, {
        digest: digest(3),
        servers: classes({ read: { kind: "verifiable", verifyTool: "nothing" } }),
      }),
    );
    expect(changes.flatMap((change) => change.value.problems)).toEqual([
      'read: the server has no tool "nothing" to verify with',
    ]);
  });
});
