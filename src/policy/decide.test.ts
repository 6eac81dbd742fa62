import { describe, expect, it } from "vitest";
import type { Principal, TenantId } from "../identity/index.ts";
import { compilePolicies } from "./compile.ts";
import { devPolicies, servePolicies } from "./default-policies.ts";
import { agent, call, catalog, compiled, identity, pay, refusedFor } from "./policy.fixture.ts";

const anyone = `@id("anyone") permit(principal, action, resource);`;

describe("decide", () => {
  it("denies what no policy permits", () => {
    const decision = pay(compiled(""), {});
    expect(decision).toMatchObject({ effect: "deny", reasons: [], errors: [] });
    expect(decision.why).toBe("no policy permits it for agent invoicer");
  });

  it("allows with the id and the original text of the permit that matched", () => {
    const text = `@id("p") permit(principal == Agent::"invoicer", action == Action::"call", resource in Server::"bank");`;
    const decision = pay(compiled(`// first\n${text}`), {});
    expect(decision).toMatchObject({ effect: "allow", reasons: [{ id: "p", text }] });
  });

  it("lets a plain forbid win over any permit and any approval", () => {
    const set = compiled(`${anyone} @id("no") forbid(principal, action, resource);
      @id("ask") @approve("group=finance") forbid(principal, action, resource);`);
    expect(pay(set, {})).toMatchObject({ effect: "deny", reasons: [{ id: "no" }], approvals: [] });
  });

  it("asks for every approval when all matching forbids carry @approve and a permit matched", () => {
    const set = compiled(`${anyone}
      @id("a") @approve("group=finance quorum=2 expiry=4h escalate=managers:1h,directors:2h endorse=/path") forbid(principal, action, resource == Tool::"bank/pay");
      @id("b") @approve("group=admin self=true") forbid(principal, action, resource in Server::"bank");`);
    expect(pay(set, {})).toMatchObject({
      effect: "approve",
      approvals: [
        {
          policyId: "a",
          group: "finance",
          quorum: 2,
          expiryMs: 14_400_000,
          self: null,
          endorse: ["/path"],
          escalation: [
            { group: "managers", afterMs: 3_600_000 },
            { group: "directors", afterMs: 7_200_000 },
          ],
        },
        {
          policyId: "b",
          group: "admin",
          quorum: 1,
          expiryMs: 86_400_000,
          self: true,
          escalation: [],
          endorse: [],
        },
      ],
    });
    expect(set.decide(call("srv_2/read_file", { path: "x" }))).toMatchObject({ effect: "allow" });
  });

  it("names what the authors of the deciding policies say about them", () => {
    const set = compiled(`${anyone}
      @id("a") @description("Large payments are seen by two") @approve("group=finance") forbid(principal, action, resource);`);
    expect(pay(set, {})).toMatchObject({
      effect: "approve",
      reasons: [
        { id: "a", description: "Large payments are seen by two" },
        { id: "anyone", description: null },
      ],
    });
  });

  it("denies, and asks nobody, when only a forbid with @approve matches", () => {
    const set = compiled(`@approve("group=finance") forbid(principal, action, resource);`);
    expect(pay(set, {})).toMatchObject({ effect: "deny", approvals: [] });
  });

  it("needs a permit for everyone on the chain and lets a forbid for one of them win", () => {
    const set = compiled(`permit(principal == Agent::"invoicer", action, resource);
      permit(principal in Role::"finance", action, resource);
      @id("bob") forbid(principal == Person::"bob", action, resource);
      @id("ask") @approve("group=admin") forbid(principal == Person::"carol", action, resource);`);
    const via = (...chain: ReturnType<typeof identity>[]) => pay(set, {}, agent("invoicer", [], chain));
    expect(via().effect).toBe("allow");
    expect(via(identity("person", "alice", ["finance"])).effect).toBe("allow");
    expect(via(identity("person", "alice"))).toMatchObject({
      effect: "deny",
      why: "no policy permits it for person alice",
    });
    expect(via(identity("person", "bob", ["finance"]))).toMatchObject({
      effect: "deny",
      reasons: [{ id: "bob" }],
    });
    expect(via(identity("person", "carol", ["finance"]))).toMatchObject({
      effect: "approve",
      approvals: [{ policyId: "ask" }],
    });
  });

  it("collects the obligations of matching permits, sorted, and of no others", () => {
    const set = compiled(`@redact("phone") @id("a") permit(principal, action, resource);
      @redact("email") @log("full") permit(principal, action, resource);
      @redact("iban") permit(principal == Agent::"other", action, resource);`);
    expect(pay(set, {}).obligations).toEqual({ log: ["full"], redact: ["email", "phone"] });
  });

  it("denies with the policy's name when a policy of the partition fails, even beside an allow", () => {
    const set = compiled(`${anyone}
      @id("overflow") permit(principal, action == Action::"call", resource == Tool::"bank/pay") when { context.args.count * 9007199254740991 > 0 };`);
    expect(pay(set, { count: 1 }).effect).toBe("allow");
    const decision = pay(set, { count: 9_007_199_254_740_991 });
    expect(decision).toMatchObject({ effect: "deny", reasons: [{ id: "overflow" }] });
    expect(decision.errors[0]).toMatch(/^overflow: .*overflow/);
  });

  it("lets administrative acts through the same door, by action and by group", () => {
    const set =
      compiled(`permit(principal in Role::"admin", action in Action::"admin", resource == Tenant::"default");
      forbid(principal, action in Action::"admin.servers", resource);`);
    const act = (action: `admin.${string}.${string}`, roles: readonly string[], tenant = "default") =>
      set.decide({
        principal: agent("x", roles),
        action,
        resource: { type: "Tenant", id: tenant },
        context: {},
      }).effect;
    expect(act("admin.agents.create", ["admin"])).toBe("allow");
    expect(act("admin.agents.create", [])).toBe("deny");
    expect(act("admin.agents.create", ["admin"], "other")).toBe("deny");
    expect(act("admin.servers.add", ["admin"])).toBe("deny");
  });

  it("decides resources and prompts by server, by id and by name", () => {
    const set =
      compiled(`permit(principal, action in [Action::"read", Action::"subscribe"], resource in Server::"files");
      permit(principal, action == Action::"get", resource) when { resource.name like "daily-*" };
      forbid(principal, action, resource == Resource::"files/file:///secret");`);
    const ask = (action: "read" | "get", type: "Resource" | "Prompt", id: string) =>
      set.decide({ principal: agent("x"), action, resource: { type, id }, context: {} }).effect;
    expect(ask("read", "Resource", "srv_2/file:///a")).toBe("allow");
    expect(ask("read", "Resource", "srv_2/file:///secret")).toBe("deny");
    expect(ask("read", "Resource", "srv_1/file:///a")).toBe("deny");
    expect(ask("read", "Resource", "srv_9/file:///a")).toBe("deny");
    expect(ask("get", "Prompt", "srv_2/daily-news")).toBe("allow");
    expect(ask("get", "Prompt", "srv_2/weekly-news")).toBe("deny");
  });

  it("decides subscriptions and completions as actions of their own", () => {
    const set =
      compiled(`permit(principal, action == Action::"subscribe", resource == Resource::"files/file:///a");
      permit(principal, action == Action::"complete", resource is Prompt in Server::"files");
      permit(principal, action == Action::"complete", resource == Resource::"files/file:///{name}");`);
    const ask = (
      action: "read" | "subscribe" | "get" | "complete",
      type: "Resource" | "Prompt",
      id: string,
    ) => set.decide({ principal: agent("x"), action, resource: { type, id }, context: {} }).effect;
    expect(ask("subscribe", "Resource", "srv_2/file:///a")).toBe("allow");
    expect(ask("subscribe", "Resource", "srv_2/file:///b")).toBe("deny");
    expect(ask("read", "Resource", "srv_2/file:///a")).toBe("deny");
    expect(ask("complete", "Prompt", "srv_2/news")).toBe("allow");
    expect(ask("complete", "Prompt", "srv_1/news")).toBe("deny");
    expect(ask("get", "Prompt", "srv_2/news")).toBe("deny");
    expect(ask("complete", "Resource", "srv_2/file:///{name}")).toBe("allow");
    expect(ask("complete", "Resource", "srv_2/file:///{other}")).toBe("deny");
  });

  it("keeps URIs apart in its memory, however long they are", () => {
    const set = compiled(
      `permit(principal, action == Action::"read", resource) when { resource.name like "*/public" };`,
    );
    const read = (uri: string) =>
      set.decide({
        principal: agent("x"),
        action: "read",
        resource: { type: "Resource", id: `srv_2/${uri}` },
        context: {},
      }).effect;
    const long = `file:///${"a".repeat(4_000)}`;
    for (const _ of ["worked out", "remembered"]) {
      expect(read(`${long}/public`)).toBe("allow");
      expect(read(`${long}/private`)).toBe("deny");
    }
  });

  it("shows policies the tool's class, the run, and the whole chain", () => {
    const set = compiled(`${anyone}
      @approve("group=finance") forbid(principal, action == Action::"call", resource) when { resource.class == "effect" && resource.server.name == "files" };
      forbid(principal, action == Action::"call", resource) when { context has run && context.run.labels.contains("integrity:untrusted") };
      forbid(principal, action == Action::"call", resource) when { context has run && context.run has tools && !context.run.tools.contains(resource) };
      forbid(principal, action == Action::"call", resource) when { context.chain.depth > 1 || context.chain.people.contains(Person::"mallory") };`);
    const run = { name: "r", owner: agent("invoicer").id, labels: [], tools: null };
    const ask = (extra: object, principal: Principal = agent("invoicer"), tool = "srv_2/read_file") => {
      const request = call(tool, { path: "x" }, principal);
      return set.decide({ ...request, context: { ...request.context, ...extra } }).effect;
    };
    expect(ask({})).toBe("allow");
    expect(ask({}, agent("invoicer"), "srv_2/delete_file")).toBe("approve");
    expect(ask({ run })).toBe("allow");
    expect(ask({ run: { ...run, labels: ["integrity:untrusted"] } })).toBe("deny");
    expect(ask({ run: { ...run, tools: ["srv_1/pay"] } })).toBe("deny");
    expect(ask({ run: { ...run, tools: ["srv_2/read_file"] } })).toBe("allow");
    expect(ask({}, agent("invoicer", [], [identity("person", "alice")]))).toBe("allow");
    expect(ask({}, agent("invoicer", [], [identity("person", "mallory")]))).toBe("deny");
    expect(ask({}, agent("invoicer", [], [identity("agent", "b"), identity("person", "c")]))).toBe("deny");
  });

  it("denies a principal of a tenant these policies are not for", () => {
    const stranger = { ...agent("invoicer"), tenant: "other" as TenantId };
    expect(pay(compiled(anyone), {}, stranger)).toMatchObject({ effect: "deny" });
    expect(compiled(anyone).mayList(stranger, "srv_1/pay")).toBe(false);
  });

  it("does not take an agent's name for another agent's id", () => {
    const set = compiled(`permit(principal in Agent::"agent/age_boss", action, resource);`);
    expect(pay(set, {}, agent("boss")).effect).toBe("allow");
    const impostor = { ...agent("x"), name: "agent/age_boss" };
    expect(pay(set, {}, impostor).effect).toBe("deny");
    expect(set.mayList(impostor, "srv_1/pay")).toBe(false);
  });
});

describe("names in policies", () => {
  it("are resolved to servers and tools wherever they stand, and the text stays as written", () => {
    const text = `permit(principal, action == Action::"call", resource) when { resource == Tool::"bank/pay" || [Server::"files"].contains(resource.server) };`;
    const set = compiled(text);
    expect(pay(set, {})).toMatchObject({ effect: "allow", reasons: [{ text }] });
    expect(set.decide(call("srv_2/read_file", { path: "x" })).effect).toBe("allow");
    expect(pay(compiled(`permit(principal, action, resource == Tool::"srv_1/pay");`), {}).effect).toBe(
      "allow",
    );
  });

  it("of principals work with ==, != and in, in scopes and conditions", () => {
    const allowed = (text: string, name: string) => pay(compiled(text), {}, agent(name)).effect === "allow";
    const equal = `permit(principal, action, resource) when { principal == Agent::"a" };`;
    const unequal = `permit(principal, action, resource) when { Agent::"a" != principal };`;
    const among = `permit(principal, action, resource) when { principal in [Agent::"a", Agent::"b"] };`;
    expect([allowed(equal, "a"), allowed(equal, "c")]).toEqual([true, false]);
    expect([allowed(unequal, "a"), allowed(unequal, "c")]).toEqual([false, true]);
    expect([allowed(among, "b"), allowed(among, "c")]).toEqual([true, false]);
  });

  it("of principals are refused where they could never match", () => {
    expect(
      refusedFor(
        `forbid(principal is Agent, action, resource) when { [Agent::"a"].contains(principal) };`,
      )[0],
    ).toMatch(/the name Agent::"a" cannot be used here/);
  });

  it("that mean two servers are refused", () => {
    const twins = { ...catalog, servers: [...catalog.servers, { id: "srv_3", name: "bank" }] };
    expect(refusedFor(`permit(principal, action, resource in Server::"bank");`, twins)[0]).toMatch(
      /"bank" is more than one server: srv_1, srv_3 \(use the id\)/,
    );
  });

  it("that become ambiguous later deny everything and say why", () => {
    const set = compiled(`${anyone} forbid(principal, action, resource in Server::"bank");`);
    expect(set.decide(call("srv_2/read_file", { path: "x" })).effect).toBe("allow");
    const twins = set.withCatalog({
      ...catalog,
      servers: [...catalog.servers, { id: "srv_3", name: "bank" }],
    });
    const decision = twins.decide(call("srv_2/read_file", { path: "x" }));
    expect(decision.effect).toBe("deny");
    expect(decision.errors[0]).toMatch(/more than one server/);
  });
});

describe("mayList", () => {
  it("shows a tool when a permit's scope matches and no unconditional forbid does", () => {
    const set =
      compiled(`permit(principal in Role::"finance", action == Action::"call", resource in Server::"bank") when { context.args has amount };
      permit(principal, action == Action::"call", resource in Server::"files");
      @approve("group=finance") forbid(principal, action, resource == Tool::"files/delete_file");
      forbid(principal == Agent::"intern", action, resource in Server::"files");`);
    expect(set.mayList(agent("a"), "srv_1/pay")).toBe(false);
    expect(set.mayList(agent("a", ["finance"]), "srv_1/pay")).toBe(true);
    expect(set.mayList(agent("a", ["finance"], [identity("person", "p")]), "srv_1/pay")).toBe(false);
    expect(set.mayList(agent("a"), "srv_2/delete_file")).toBe(true);
    expect(set.mayList(agent("intern"), "srv_2/delete_file")).toBe(false);
  });

  it("answers for resources and prompts by their own actions", () => {
    const set = compiled(`permit(principal, action == Action::"read", resource in Server::"files");
      permit(principal in Role::"finance", action == Action::"get", resource);
      forbid(principal, action, resource == Resource::"files/file:///secret");
      forbid(principal, action == Action::"get", resource == Prompt::"bank/steal") when { context.chain.depth > 0 };`);
    expect(set.mayRead(agent("a"), "srv_2/file:///a")).toBe(true);
    expect(set.mayRead(agent("a"), "srv_2/file:///secret")).toBe(false);
    expect(set.mayRead(agent("a"), "srv_1/x://a")).toBe(false);
    expect(set.mayGet(agent("a"), "srv_2/news")).toBe(false);
    expect(set.mayGet(agent("a", ["finance"]), "srv_2/news")).toBe(true);
    expect(set.mayGet(agent("a", ["finance"]), "srv_1/steal")).toBe(true);
    expect(set.mayList(agent("a"), "srv_2/read_file")).toBe(false);
  });

  it("lets everyone in development see and use resources and prompts, and nobody where nothing is written", () => {
    const everyone = compilePolicies({ files: [devPolicies], catalog });
    const nobody = compilePolicies({ files: [servePolicies], catalog });
    if (!everyone.ok || !nobody.ok) throw new Error("the defaults compile");
    expect(everyone.value.mayRead(agent("a"), "srv_2/file:///a")).toBe(true);
    expect(everyone.value.mayGet(agent("a"), "srv_2/news")).toBe(true);
    expect(nobody.value.mayRead(agent("a"), "srv_2/file:///a")).toBe(false);
    expect(nobody.value.mayGet(agent("a"), "srv_2/news")).toBe(false);
    for (const action of ["read", "subscribe", "complete"] as const) {
      const resource = { type: "Resource", id: "srv_2/file:///a" } as const;
      const asked = { principal: agent("a"), action, resource, context: {} };
      expect(everyone.value.decide(asked).effect).toBe("allow");
      expect(nobody.value.decide(asked).effect).toBe("deny");
    }
  });
});
