import { describe, expect, it } from "vitest";
import { askTool } from "../registry/index.ts";
import { compilePolicies } from "./compile.ts";
import { call, compiled, refusedFor } from "./policy.fixture.ts";
import { testPolicies } from "./policy-tests.ts";
import { problemText } from "./problem.ts";

const bare = { tenants: ["default"], roles: [], servers: [], tools: [] };
const anyone = `permit(principal, action, resource);`;
const asks = `@id("asks") @approve("group=finance") forbid(principal, action == Action::"call", resource == Tool::"signalbox/ask")`;
const asking = (question: string) => call(askTool.id, { question });

describe("a policy about the tool that asks people", () => {
  it("means the same whatever servers there are", () => {
    for (const text of [asks, asks.replace(`== Tool::"signalbox/ask"`, `in Server::"signalbox"`)]) {
      const set = compiled(`${anyone} ${text};`, bare);
      expect(set.warnings).toEqual([]);
      expect(set.decide(asking("May I?")).effect).toBe("approve");
    }
    expect(compiled(anyone, bare).decide(asking("May I?")).effect).toBe("allow");
  });

  it("is in tests too, also with servers of their own", () => {
    const catalog = { servers: [{ name: "bank", tools: [{ name: "pay" }] }] };
    const tests = [
      {
        name: "people are asked",
        as: { agent: "a" },
        call: "signalbox/ask",
        args: { question: "May I?" },
        expect: "approve",
        because: "asks",
      },
    ];
    for (const file of [{ tests }, { catalog, tests }]) {
      const report = testPolicies(compiled(`${anyone} ${asks};`, bare), file);
      expect(report.ok && report.value.results.map(({ failure }) => failure)).toEqual([null]);
    }
  });

  it("reads question and details with their types", () => {
    const set = compiled(`${anyone} ${asks} when { context.args.question like "*pay*" };`, bare);
    expect(set.decide(asking("May I pay?")).effect).toBe("approve");
    expect(set.decide(asking("May I sleep?")).effect).toBe("allow");
    const refused = refusedFor(`${asks} when { context.args.amount > 5 };`);
    expect(refused.join("\n")).toMatch(/amount.*signalbox\/ask/);
  });

  it("that names another tool of ours is a warning with the nearest name", () => {
    const set = compiled(`${anyone} ${asks.replace("/ask", "/asks")};`, bare);
    expect(set.warnings.map(problemText).join()).toContain('there is no tool "asks" (did you mean "ask"?)');
  });
});

it("a policy about every tool need not fit the node's own, whose calls it then denies", () => {
  const inputSchema = { type: "object", properties: { amount: { type: "integer" } }, required: ["amount"] };
  const catalog = {
    ...bare,
    servers: [{ id: "srv_1", name: "bank" }],
    tools: [{ id: "srv_1/pay", serverId: "srv_1", inputSchema }],
  };
  const text = `${anyone} forbid(principal, action == Action::"call", resource) when { context.args.amount > 5 };`;
  const result = compilePolicies({ files: [{ path: "p.cedar", text }], catalog });
  if (!result.ok) throw new Error(result.refusal.map(problemText).join("\n"));
  const decision = result.value.decide(asking("May I?"));
  expect(decision).toMatchObject({ effect: "deny", why: "a policy does not fit the tool's schema" });
});
