import { describe, expect, it } from "vitest";
import { compilePolicies } from "./compile.ts";
import { engine } from "./engine.ts";
import { devPolicies, servePolicies } from "./default-policies.ts";
import { explainDecision, explanationText } from "./explain.ts";
import { agent, call, catalog, compiled, identity, pay, refusedFor } from "./policy.fixture.ts";
import { testPolicies } from "./policy-tests.ts";
import type { PolicyEvent } from "./policies.ts";
import { Policies } from "./policies.ts";
import { preparsedSets } from "./preparsed.ts";
import { problemText } from "./problem.ts";

const anyone = `permit(principal, action, resource);`;

describe("policy text", () => {
  it("is refused with file, line, column, policy and hint, all problems of all files at once", () => {
    const result = compilePolicies({
      catalog,
      files: [
        { path: "a.cedar", text: `// é\n  permit(principal, action == Action::"cal", resource);` },
        { path: "b.cedar", text: `// ünï\npermit(é, action);` },
        {
          path: "c.cedar",
          text: `@approve("group=x quorm=2 expiry=4w") forbid(principal, action, resource);`,
        },
      ],
    });
    expect(
      result.ok ? [] : result.refusal.map(({ file, line, column, message }) => [file, line, column, message]),
    ).toEqual([
      ["b.cedar", 2, 8, "invalid token"],
      ["c.cedar", 1, 1, '@approve: there is no "quorm"'],
      ["c.cedar", 1, 1, '@approve: expiry "4w" is not a duration'],
    ]);
    expect(refusedFor(`\n  permit(principal, action == Action::"cal", resource);`)).toEqual([
      'test.cedar:2:3: error: policy test.cedar:2: there is no action "cal" (did you mean "call"?)',
    ]);
  });

  it.each([
    [`@approve("group=x") ${anyone}`, /@approve stands on a permit/],
    [`@approve("") forbid(principal, action, resource);`, /does not name a group/],
    [`@approve forbid(principal, action, resource);`, /does not name a group/],
    [`@approve("group=x group=y") forbid(principal, action, resource);`, /group is said twice/],
    [`@approve("group=x quorum=0") forbid(principal, action, resource);`, /quorum "0" is not/],
    [`@approve("group=x quorum=1.5") forbid(principal, action, resource);`, /quorum "1.5" is not/],
    [`@approve("group=x self=yes") forbid(principal, action, resource);`, /neither true nor false/],
    [`@approve("group=x endorse=iban") forbid(principal, action, resource);`, /JSON pointers/],
    [`@approve("group=x escalate=1h") forbid(principal, action, resource);`, /not a list of group:duration/],
    [
      `@approve("group=x escalate=y:2h,z:1h") forbid(principal, action, resource);`,
      /later than the one before/,
    ],
    [
      `@approve("group=x expiry=1h escalate=y:1h") forbid(principal, action, resource);`,
      /before the request expires/,
    ],
    [`@approve("group=x expiry=40d") forbid(principal, action, resource);`, /not between 1s and 30d/],
    [`@approve("group=x,quorum=2") forbid(principal, action, resource);`, /group "x,quorum=2" is not/],
    [
      `@aprove("group=x") forbid(principal, action, resource);`,
      /no use for @aprove \(did you mean @approve\?\)/,
    ],
    [`@id("a") ${anyone} @id("a") ${anyone}`, /has the same @id/],
    [`@id("a b") ${anyone}`, /is not 1-128 of/],
    [`permit(principal == ?principal, action, resource);`, /templates/],
    [`permit(principal is Agnt, action, resource);`, /unrecognized entity type `Agnt`/],
    [`permit(principal, action, resource) when { false };`, /impossible/],
    [`permit(principal, action == Action::"call", resource is Prompt);`, /applicable action/],
    [`permit(principal == Agent::"person/x", action, resource);`, /neither a name nor an id/],
    [`permit(principal, action, resource == Tool::"pay");`, /does not name a server/],
    [`permit(principal, action, resource) when { ${"(".repeat(200_000)}true };`, /nested deeper than 64/],
    [`permit(principal, action, resource) when { ${"!".repeat(200)}true };`, /./],
    [
      `permit(principal, action, resource) when { ${Array(60).fill('principal.name != ""').join(" && ")} };`,
      /nested too deeply/,
    ],
    [
      `permit(principal, action, resource) when { ${Array(20_000).fill("1").join(" + ")} > 0 };`,
      /more than 400 operators/,
    ],
    [
      `permit(principal, action, resource) when { context${`["args"]`.repeat(9_000)} };`,
      /more than 400 operators/,
    ],
  ])("%s is refused", (text, expected) => {
    expect(refusedFor(text).join("\n")).toMatch(expected);
  });

  it("that names what does not exist is used, with a warning and the nearest name", () => {
    const set =
      compiled(`permit(principal in Role::"finanse", action == Action::"call", resource == Tool::"bank/pai");
      forbid(principal, action, resource in Server::"flies");
      forbid(principal, action == Action::"call", resource == Tool::"bank/pay") when { context.args has amonut };`);
    expect(set.warnings.map(({ message, hint }) => `${message} ${hint}`)).toEqual([
      'there is no role "finanse" did you mean "finance"?',
      'there is no tool "pai" did you mean "pay"?',
      'there is no server "flies" did you mean "files"?',
      expect.stringMatching(/impossible.*\[tool srv_1\/pay\]/),
    ]);
  });

  it.each([
    ["aprove", "approve"],
    ["desciption", "description"],
  ])("with @%s on a permit is refused, and any other name is an obligation", (name, meant) => {
    const files = (annotation: string) => [{ path: "x", text: `@${annotation}("a") ${anyone}` }];
    const result = compilePolicies({ catalog, files: files(name) });
    expect(result.ok ? null : result.refusal[0]).toMatchObject({
      message: `there is no annotation @${name}`,
      hint: `did you mean @${meant}?`,
    });
    const ticket = `@ticket("a") ${anyone}`;
    const loaded = compilePolicies({ catalog, files: [{ path: "x", text: `${ticket} ${ticket}` }] });
    expect(loaded.ok ? loaded.value.warnings.map(problemText) : loaded.refusal).toEqual([
      "x:1:1: warning: policy x:1: nothing carries out @ticket (it stands in decisions for people to read, no more)",
    ]);
  });

  it("knows obligations by name when it is told them", () => {
    const result = compilePolicies({
      catalog,
      obligations: ["redact"],
      files: [{ path: "x", text: `@redcat("a") ${anyone}` }],
    });
    expect(result.ok ? null : result.refusal[0]).toMatchObject({
      message: "there is no annotation @redcat",
      hint: "did you mean @redact?",
    });
  });

  it("names a policy by its place, past a commented-out twin", () => {
    const set = compiled(`// ${anyone}\n\n${anyone} ${anyone}`);
    expect(set.policies.map(({ id, line, column }) => [id, line, column])).toEqual([
      ["test.cedar:3", 3, 1],
      ["test.cedar:3.2", 3, anyone.length + 2],
    ]);
  });

  it("keeps the order of the file beyond ten policies", () => {
    const set = compiled(Array.from({ length: 25 }, (_, at) => `@id("p${at}") ${anyone}`).join("\n"));
    expect(set.policies.map(({ id }) => id)).toEqual(Array.from({ length: 25 }, (_, at) => `p${at}`));
  });
});

describe("partition digests", () => {
  it("change with the policies that decide a tool, and with nothing else", () => {
    const base = `${anyone} forbid(principal, action, resource == Tool::"bank/pay") when { principal in Role::"reader" };`;
    const digest = (text: string) => pay(compiled(text), {}).partition;
    expect(digest(`\n\n// moved\n${base}`)).toBe(digest(base));
    expect(digest(`${base} forbid(principal, action, resource in Server::"files");`)).toBe(digest(base));
    expect(digest(`${base} forbid(principal, action, resource in Server::"bank");`)).not.toBe(digest(base));
  });
});

describe("Policies", () => {
  it("denies everything before the first load, and keeps the last good set when the next is broken, loudly", () => {
    const events: PolicyEvent[] = [];
    const policies = new Policies({ catalog, listen: (event) => events.push(event) });
    expect(pay(policies.current(), {}).effect).toBe("deny");
    expect(policies.load({ files: [{ path: "a", text: anyone }] }).ok).toBe(true);
    const good = policies.current();
    expect(policies.load({ files: [{ path: "a", text: "permit(" }] }).ok).toBe(false);
    expect(policies.current()).toBe(good);
    expect(pay(policies.current(), {}).effect).toBe("allow");
    expect(policies.problems.length).toBeGreaterThan(0);
    expect(policies.load({ files: [{ path: "a", text: `${anyone}\n` }] }).ok).toBe(true);
    expect(policies.problems).toEqual([]);
    expect(events.map(({ kind }) => kind)).toEqual(["loaded", "refused", "loaded"]);
  });

  it("keeps partitions and remembered decisions of tools that did not change", () => {
    const policies = new Policies({ catalog, listen: () => {} });
    policies.load({ files: [{ path: "a", text: anyone }] });
    const [file, other] = [call("srv_2/read_file", { path: "x" }), call("srv_1/pay", {})];
    const before = [policies.current().decide(file), policies.current().decide(other)];
    const copied = structuredClone(catalog.tools).map((tool) =>
      tool.id === "srv_1/pay" ? { ...tool, inputSchema: { type: "object" } } : tool,
    );
    policies.updateCatalog({ ...catalog, tools: copied });
    expect(policies.current().decide(file)).toBe(before[0]);
    expect(policies.current().decide(other)).not.toBe(before[1]);
    expect(policies.current().decide(other)).toEqual(before[1]);
  });

  it("accepts texts again that a server's new schema no longer fits, denying only that tool", () => {
    const policies = new Policies({ catalog, listen: () => {} });
    const files = [
      {
        path: "a",
        text: `permit(principal, action == Action::"call", resource) when { context.args has amount && context.args.amount like "x" };${anyone}`,
      },
    ];
    expect(policies.load({ files }).ok).toBe(false);
    expect(policies.load({ files, toolProblems: "deny" }).ok).toBe(true);
    expect(pay(policies.current(), {}).effect).toBe("deny");
    expect(policies.current().decide(call("srv_2/read_file", { path: "x" })).effect).toBe("allow");
    expect(policies.checkTools().map(({ tool }) => tool)).toEqual(["srv_1/pay"]);
  });

  it("holds a bounded number of preparsed sets however often it is reloaded", () => {
    const policies = new Policies({ catalog, listen: () => {} });
    for (let round = 0; round < 600; round++) {
      policies.load({
        files: [
          { path: "a", text: `permit(principal, action, resource) when { principal.name == "a${round}" };` },
        ],
      });
      expect(pay(policies.current(), {}, agent(`a${round}`)).effect).toBe("allow");
    }
    expect(preparsedSets.counts.slots).toBeLessThanOrEqual(512);
    expect(preparsedSets.counts.policies).toBeLessThanOrEqual(20_000);
  });

  it("goes on with a new engine when the old one trapped", () => {
    const set = compiled(`permit(principal, action, resource) when { principal.name != "" };`);
    expect(pay(set, {}, agent("before")).effect).toBe("allow");
    const deep = `permit(principal, action, resource) when { context${`["args"]`.repeat(60_000)} };`;
    const overflow = () => engine.run((module) => module.policyToJson(deep));
    expect(overflow).toThrow();
    expect(pay(set, {}, agent("after")).effect).toBe("allow");
    expect(pay(compiled(anyone), {}).effect).toBe("allow");
  });

  it("asks a set again after its slot went to another", () => {
    const first = compiled(`permit(principal, action, resource) when { principal.name != "" };`);
    expect(pay(first, {}, agent("before")).effect).toBe("allow");
    for (let other = 0; other < 600; other++)
      pay(compiled(`permit(principal, action, resource) when { principal.name != "x${other}" };`), {});
    expect(pay(first, {}, agent("after")).effect).toBe("allow");
  });
});

describe("default policies", () => {
  it("let everyone use tools in dev, and only admins administer", () => {
    const result = compilePolicies({ files: [devPolicies], catalog });
    if (!result.ok) throw new Error("refused");
    const set = result.value;
    expect(set.warnings).toEqual([]);
    expect(pay(set, {}, agent("a", [], [identity("person", "p")])).effect).toBe("allow");
    const act = (roles: readonly string[]) =>
      set.decide({
        principal: agent("a", roles),
        action: "admin.agents.create",
        resource: { type: "Tenant", id: "default" },
        context: {},
      }).effect;
    expect([act(["admin"]), act([])]).toEqual(["allow", "deny"]);
  });

  it("permit nothing but administration by people in serve", () => {
    const result = compilePolicies({ files: [servePolicies], catalog });
    if (!result.ok) throw new Error("refused");
    const set = result.value;
    expect(pay(set, {}, agent("a", ["admin"])).effect).toBe("deny");
    const act = (kind: "agent" | "person") =>
      set.decide({
        principal: { ...agent("a"), ...identity(kind, "x", ["admin"]) },
        action: "admin.agents.create",
        resource: { type: "Tenant", id: "default" },
        context: {},
      }).effect;
    expect([act("person"), act("agent")]).toEqual(["allow", "deny"]);
  });
});

describe("explain", () => {
  it("says what each policy of the partition said about each identity, and what was read", () => {
    const set = compiled(`@id("all") permit(principal, action, resource);
      @id("cap") forbid(principal, action == Action::"call", resource == Tool::"bank/pay") when { context.args.amount > 10 };
      @id("bob") @approve("group=finance") forbid(principal == Person::"bob", action, resource);`);
    const explained = explainDecision(
      set,
      call("srv_1/pay", { amount: 5, count: 1, to: "x" }, agent("a", [], [identity("person", "bob")])),
    );
    expect(explained.reads).toEqual(["context.args.amount"]);
    expect(
      explained.policies.map(({ id, findings }) => [id, ...findings.map(({ finding }) => finding)]),
    ).toEqual([
      ["all", "matched", "matched"],
      ["cap", "condition-false", "condition-false"],
      ["bob", "other-principal", "matched"],
    ]);
    expect(explanationText(explained)).toMatch(
      /^approve: needs approval: bob\n {2}needs 1 of group finance within 1440 min \(bob\)/,
    );
    expect(JSON.parse(JSON.stringify(explained))).toEqual(explained);
  });
});

describe("policy tests", () => {
  const set = compiled(
    `@id("small") permit(principal, action == Action::"call", resource == Tool::"bank/pay") when { context.args.amount < 10 };`,
  );

  it("run from data and say what was wrong", () => {
    const report = testPolicies(set, {
      tests: [
        {
          name: "small",
          as: { agent: "a" },
          call: "bank/pay",
          args: { amount: 5 },
          expect: "allow",
          because: "small",
        },
        { name: "wrong", as: { agent: "a" }, call: "bank/pay", args: { amount: 50 }, expect: "allow" },
        {
          name: "why",
          as: { agent: "a" },
          call: "bank/pay",
          args: { amount: 5 },
          expect: "allow",
          because: ["other"],
        },
        { name: "gone", as: { agent: "a" }, call: "bank/nothing", expect: "deny" },
        {
          name: "admin",
          as: { person: "p", roles: ["admin"] },
          admin: "admin.agents.create",
          expect: "deny",
        },
      ],
    });
    if (!report.ok) throw new Error(report.refusal.join("\n"));
    expect(report.value.results.map(({ failure }) => failure)).toEqual([
      null,
      "expected allow, got deny: no policy permits it for agent a",
      "other did not decide: small did",
      'there is no tool "bank/nothing"',
      null,
    ]);
    expect(report.value).toMatchObject({ passed: 2, failed: 3 });
  });

  it("may ask about resources, templates and prompts", () => {
    const offered =
      compiled(`permit(principal, action in [Action::"read", Action::"complete"], resource is Resource in Server::"files");
      permit(principal, action == Action::"subscribe", resource == Resource::"files/file:///a");
      permit(principal, action in [Action::"get", Action::"complete"], resource == Prompt::"bank/greet");`);
    const as = { agent: "a" };
    const report = testPolicies(offered, {
      tests: [
        { name: "read", as, read: "files/file:///a", expect: "allow" },
        { name: "read elsewhere", as, read: "bank/file:///a", expect: "deny" },
        { name: "subscribe", as, subscribe: "files/file:///a", expect: "allow" },
        { name: "subscribe to another", as, subscribe: "files/file:///b", expect: "deny" },
        { name: "get", as, get: "bank/greet", expect: "allow" },
        { name: "get another", as, get: "bank/other", expect: "deny" },
        { name: "complete a prompt", as, complete: "bank/greet", expect: "allow" },
        { name: "complete another prompt", as, complete: "files/greet", expect: "deny" },
        { name: "complete a template", as, complete: "files/file:///{name}", expect: "allow" },
      ],
    });
    if (!report.ok) throw new Error(report.refusal.join("\n"));
    expect(report.value.results.map(({ failure }) => failure)).toEqual(Array(9).fill(null));
  });

  it("may bring their own servers and tools", () => {
    const report = testPolicies(set, {
      catalog: {
        servers: [
          {
            name: "bank",
            tools: [
              {
                name: "pay",
                inputSchema: {
                  type: "object",
                  properties: { amount: { type: "integer" } },
                  required: ["amount"],
                },
              },
            ],
          },
        ],
      },
      tests: [
        {
          name: "small",
          as: { agent: "a", for: [{ person: "p" }] },
          call: "bank/pay",
          args: { amount: 5 },
          expect: "allow",
        },
      ],
    });
    expect(report.ok ? report.value.results[0]?.failure : report.refusal).toBe(null);
  });

  it("with a wrong shape are refused with every path", () => {
    const report = testPolicies(set, { tests: [{ name: 1, as: {}, cal: "x", expect: "yes" }, "x"], more: 1 });
    expect(report.ok ? [] : report.refusal).toEqual([
      'file: unknown key "more"',
      'tests[0]: unknown key "cal", did you mean "call"?',
      "tests[0]: needs exactly one of call, read, get, complete, subscribe, admin",
      "tests[0].name: must be a text",
      "tests[0].as: needs exactly one of agent, person, service",
      "tests[0].expect: must be one of allow, deny, approve",
      "tests[1]: must be an object",
      expect.any(String),
      expect.any(String),
      expect.any(String),
      expect.any(String),
      expect.any(String),
    ]);
  });
});
