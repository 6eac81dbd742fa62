import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machine } from "./machine.fixture.ts";

let machine: Machine;

beforeAll(async () => {
  machine = new Machine();
  await machine.node(["dev", "--demo", "--port", "0", "--json"]);
});
afterAll(() => machine.end());

interface Page<T> {
  readonly items: readonly T[];
}

describe("policies", () => {
  test("that are broken from the first start on are said to be, and what holds instead", async () => {
    const own = new Machine();
    try {
      own.put("work/signalbox.yaml", "policies: { files: [a.cedar] }");
      own.put("work/a.cedar", "permit (");
      await own.node(["dev", "--no-import", "--port", "0", "--json"]);
      const show = await own.run(["policy", "show", "--no-json"]);
      expect(show.stdout).toContain("none were good before. In force: admin-may-administer.");
      expect(show.stdout).toContain("a.cedar:1:");
      expect((await own.run(["status", "--no-json"])).stdout).toContain("agents may do nothing");
    } finally {
      await own.end();
    }
  });

  const amounts = `
@id("everyone-but-large-sums")
permit (principal, action == Action::"call", resource);
@id("no-large-sums")
forbid (principal, action == Action::"call", resource in Server::"everything")
when { context.args has a && context.args.a > 1000 };
@id("admins")
permit (principal in Role::"admin", action in Action::"admin", resource);
`;

  test("are checked and tested without a node, put in force, explained, and gone back from", async () => {
    machine.put("work/policies/sums.cedar", amounts);
    machine.put(
      "work/broken.cedar",
      'permit (principal, action == Action::"call", resource) when { context.args.nonsense };',
    );
    const tests = {
      tests: [
        {
          name: "small",
          as: { agent: "dev" },
          call: "everything/get-sum",
          args: { a: 1, b: 2 },
          expect: "allow",
        },
        {
          name: "large",
          as: { agent: "dev" },
          call: "everything/get-sum",
          args: { a: 5000, b: 2 },
          expect: "deny",
          because: "no-large-sums",
        },
      ],
    };
    machine.put("work/sums.test.yaml", JSON.stringify(tests));
    const check = await machine.run(["policy", "check", "policies/*.cedar", "--json"]);
    expect([check.code, check.stderr]).toEqual([0, ""]);
    const broken = await machine.run(["policy", "check", "broken.cedar", "--no-json"]);
    expect(broken.code).toBe(1);
    expect(broken.stdout).toMatch(/broken\.cedar:1:\d+: error/);
    expect(
      await machine.json(["policy", "test", "sums.test.yaml", "--policies", "policies/sums.cedar"]),
    ).toMatchObject({
      ok: true,
      files: [{ passed: 2, failed: 0 }],
    });
    const set = await machine.json<{ version: { digest: string } }>(["policy", "set", "policies/sums.cedar"]);
    const allowed = await machine.run([
      "policy",
      "explain",
      "--agent",
      "dev",
      "--tool",
      "everything__get-sum",
      "--args",
      '{"a":1,"b":1}',
      "--json",
    ]);
    expect([allowed.code, JSON.parse(allowed.stdout)]).toMatchObject([0, { effect: "allow" }]);
    const denied = await machine.run([
      "policy",
      "explain",
      "--agent",
      "dev",
      "--tool",
      "everything__get-sum",
      "--args",
      '{"a":5000,"b":1}',
      "--no-json",
    ]);
    expect(denied.code).toBe(3);
    expect(denied.stdout).toContain("no-large-sums");
    const refused = await machine.run(["policy", "set", "broken.cedar"]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("broken.cedar:1:");
    const versions = await machine.json<Page<{ digest: string; isActive: boolean }>>(["policy", "versions"]);
    expect(versions.items).toMatchObject([{ digest: set.version.digest, isActive: true }]);
    await machine.json(["policy", "activate", set.version.digest]);
    expect((await machine.run(["policy", "show", "--no-json"])).stdout).toContain('@id("no-large-sums")');
  });

  test("that would lock their author out are warned of by check, refused by set, and forced with --force", async () => {
    const home = new Machine();
    await home.node(["dev", "--no-import", "--port", "0", "--json"]);
    home.put("work/calls.cedar", 'permit (principal, action == Action::"call", resource);');
    const check = await home.run(["policy", "check", "calls.cedar", "--no-json"]);
    expect([check.code, check.stdout]).toEqual([
      0,
      expect.stringContaining("warning: no policy permits an administrative act"),
    ]);
    const refused = await home.run(["policy", "set", "calls.cedar"]);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("repeat with force")]);
    expect((await home.run(["policy", "set", "calls.cedar", "--force"])).code).toBe(0);
    expect((await home.run(["status"])).code).toBe(3);
    await home.end();
  });

  test("a test file may bring servers and tools of its own", async () => {
    machine.put(
      "work/pay.cedar",
      '@id("small") permit (principal, action == Action::"call", resource in Server::"bank") when { context.args.amount < 100 };',
    );
    const tool = {
      name: "pay",
      inputSchema: { type: "object", properties: { amount: { type: "integer" } }, required: ["amount"] },
    };
    machine.put(
      "work/pay.yaml",
      JSON.stringify({
        catalog: { servers: [{ name: "bank", tools: [tool] }] },
        tests: [
          {
            name: "small",
            as: { agent: "x" },
            call: "bank/pay",
            args: { amount: 5 },
            expect: "allow",
            because: "small",
          },
          { name: "large", as: { agent: "x" }, call: "bank/pay", args: { amount: 500 }, expect: "deny" },
        ],
      }),
    );
    const ran = await machine.run([
      "policy",
      "test",
      "pay.yaml",
      "--policies",
      "pay.cedar",
      "--data",
      "nowhere",
      "--json",
    ]);
    expect([ran.code, JSON.parse(ran.stdout), ran.stderr]).toMatchObject([
      0,
      { ok: true, withoutTools: null, files: [{ passed: 2 }] },
      "",
    ]);
  });

  test("a failing policy test says what was decided instead", async () => {
    machine.put("work/deny.cedar", '@id("nobody") forbid (principal, action, resource);');
    machine.put(
      "work/deny.yaml",
      "tests:\n  - { name: hopeful, as: { agent: x }, call: files/read_file, expect: allow }\n",
    );
    const ran = await machine.run(["policy", "test", "deny.yaml", "--policies", "deny.cedar", "--no-json"]);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain("expected allow, got deny");
  });
});
