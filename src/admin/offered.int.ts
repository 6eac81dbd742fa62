import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultTenant } from "../identity/index.ts";
import type { Features, ServerRecord } from "../registry/index.ts";
import { noCapabilities, profileOf } from "../registry/index.ts";
import type { Office, Reply } from "./office.suite.ts";
import { openOffice } from "./office.suite.ts";

let office: Office;
let files: ServerRecord;
let notes: ServerRecord;

const nothing: Features = {
  capabilities: { resources: {}, prompts: {} },
  serverInfo: null,
  instructions: null,
  tools: [],
  resources: [],
  templates: [],
  prompts: [],
  skills: [],
  ttlMs: null,
};

beforeAll(async () => {
  office = await openOffice();
  const add = (name: string) =>
    office.commit(
      office.registry.addServer(defaultTenant, {
        name,
        transport: { kind: "http", url: `https://${name}.example/mcp`, headers: {} },
      }),
    );
  [files, notes] = [await add("files"), await add("notes")];
  office.registry.offerFeatures(files.id, noCapabilities, {
    ...nothing,
    resources: [
      { uri: "file:///b", name: "b", mimeType: "text/plain", description: "The second" },
      { uri: "file:///a", name: "a", title: "The first" },
    ],
    templates: [{ uriTemplate: "file:///{name}", name: "any" }],
  });
  office.registry.offerFeatures(files.id, profileOf({ elicitation: {} }), {
    ...nothing,
    prompts: [{ name: "ask", description: "Asks" }],
  });
  office.registry.offerFeatures(notes.id, noCapabilities, {
    ...nothing,
    prompts: [{ name: "greet" }],
  });
});
afterAll(() => office.stop());

const get = (path: string) => office.send(office.admin, "GET", path);
const errorOf = ({ status, body }: Reply) => [status, body.error?.code];

describe("resources and prompts", () => {
  test("a skill is listed as one, also where its SKILL.md is listed as a resource too", async () => {
    const uri = "skill://refund/SKILL.md";
    const frontmatter = { name: "refund", description: "How to refund." };
    const offered = {
      ...nothing,
      resources: [{ uri, name: "refund" }],
      skills: [{ uri, frontmatter, resources: "dynamic" }],
      prompts: [{ name: "greet" }],
    };
    office.registry.offerFeatures(notes.id, noCapabilities, offered);
    const { body } = await get("/resources?server=notes");
    expect(body.items).toMatchObject([
      { uri, kind: "skill", name: "refund", description: "How to refund.", callable: true, hiddenBy: null },
    ]);
    expect((await get("/servers/notes")).body).toMatchObject({ offers: { resources: 1, skills: 1 } });
    office.registry.offerFeatures(notes.id, noCapabilities, { ...nothing, prompts: [{ name: "greet" }] });
  });

  test("are listed with their server and whether they can be had, by server and name", async () => {
    const all = await get("/resources");
    expect(all.body.items).toMatchObject([
      { uri: "file:///a", kind: "resource", name: "a", title: "The first", mimeType: null, callable: true },
      {
        uri: "file:///b",
        id: `${files.id}/file:///b`,
        server: "files",
        description: "The second",
        why: null,
      },
      { uri: "file:///{name}", kind: "template", name: "any" },
    ]);
    expect((await get("/resources?server=notes")).body.items).toEqual([]);
    expect(errorOf(await get("/resources?server=nowhere"))).toEqual([404, "not-found"]);
    expect((await get("/prompts")).body.items).toMatchObject([
      { name: "files__ask", id: `${files.id}/ask`, description: "Asks", hiddenBy: null },
      { name: "notes__greet", server: "notes", callable: true },
    ]);
    expect((await get("/prompts?server=notes")).body.items).toHaveLength(1);
  });

  test("are paged", async () => {
    const first = await get("/resources?limit=2");
    const second = await get(`/resources?limit=2&cursor=${first.body.next}`);
    expect([first.body.items.length, second.body.items.length, second.body.next]).toEqual([2, 1, null]);
    expect(errorOf(await get(`/prompts?cursor=${first.body.next}`))).toEqual([400, "invalid-params"]);
  });

  test("of a server that is down say why, and one whose URI another has says whose", async () => {
    const { since } = office.registry.serverHealth(files.id);
    const reason = "it fell over";
    office.registry.reportHealth(files.id, { state: "down", since, cause: "dependency", reason });
    const found = (await get("/resources?server=files&limit=1")).body.items[0];
    expect(found).toMatchObject({ callable: false, why: expect.stringContaining(reason) });
    office.registry.reportHealth(files.id, { state: "healthy", since });
    const [first, second] = [files, notes].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    if (first === undefined || second === undefined) throw new Error("there are two");
    const twice = { ...nothing, resources: [{ uri: "x://both", name: "both" }] };
    const ours = profileOf({ sampling: {} });
    for (const { id } of [files, notes]) office.registry.offerFeatures(id, ours, twice);
    const both = (await get("/resources")).body.items.filter(
      (each: { uri: string }) => each.uri === "x://both",
    );
    const hidden = both.filter((each: { hiddenBy: string | null }) => each.hiddenBy !== null);
    expect(hidden).toMatchObject([{ server: second.name, hiddenBy: first.name, callable: false }]);
  });

  test("are counted where a server is shown", async () => {
    expect((await get("/servers/files")).body.offers).toEqual({
      tools: 0,
      toolsCallable: 0,
      resources: 3,
      templates: 1,
      prompts: 1,
      skills: 0,
      profiles: 3,
    });
  });

  test("are another tenant's secret", async () => {
    const made = await office.send(office.systemAdmin, "POST", "/tenants", { id: "finance" });
    expect(made.status).toBe(201);
    const key = await office.send(office.systemAdmin, "POST", "/tenants/finance/admin-key");
    const theirs = (path: string) => office.send(key.body.secret, "GET", path);
    expect((await theirs("/resources")).body.items).toEqual([]);
    expect((await theirs("/prompts")).body.items).toEqual([]);
    expect(errorOf(await theirs(`/resources?server=${files.id}`))).toEqual([404, "not-found"]);
  });
});

describe("explaining what policy says of them", () => {
  beforeAll(async () => {
    const text = `@id("admins") permit (principal is Person in Role::"admin", action in Action::"admin", resource);
      @id("reads") permit (principal is Agent, action == Action::"read", resource in Server::"files");
      @id("secret") forbid (principal, action, resource == Resource::"files/file:///b");
      @id("greets") permit (principal, action in [Action::"get", Action::"complete"], resource == Prompt::"notes/greet");`;
    const sources = [{ name: "p.cedar", text }];
    expect((await office.send(office.admin, "PUT", "/policies", { sources })).status).toBe(200);
  });
  const explain = (asked: object) =>
    office.send(office.admin, "POST", "/policies/explain", { principal: "nobody", ...asked });

  test.each([
    [{ resource: "file:///a" }, "allow", ["reads"]],
    [{ resource: "file:///b" }, "deny", ["secret"]],
    [{ resource: "files/file:///unlisted" }, "allow", ["reads"]],
    [{ resource: "notes/file:///a" }, "deny", []],
    [{ resource: "file:///{name}", action: "complete" }, "deny", []],
    [{ resource: "file:///a", action: "subscribe" }, "deny", []],
    [{ prompt: "notes__greet" }, "allow", ["greets"]],
    [{ prompt: "notes/greet", action: "complete" }, "allow", ["greets"]],
    [{ prompt: "files__ask" }, "deny", []],
  ])("%j: %s", async (asked, effect, reasons) => {
    const { body } = await explain(asked);
    expect([body.effect, body.reasons.map(({ id }: { id: string }) => id)]).toEqual([effect, reasons]);
  });

  test.each([
    [{ resource: "file:///a", action: "get" }, [400, "invalid-params"]],
    [{ prompt: "notes__greet", action: "call" }, [400, "invalid-params"]],
    [{ prompt: "notes__greet", resource: "file:///a" }, [400, "invalid-params"]],
    [{ resource: "file:///a", action: "admin.server.add" }, [400, "invalid-params"]],
    [{ action: "read" }, [400, "invalid-params"]],
    [{ prompt: "nowhere__greet" }, [404, "not-found"]],
    [{ resource: "gone://x" }, [404, "not-found"]],
  ])("%j is refused", async (asked, error) => {
    expect(errorOf(await explain(asked))).toEqual(error);
  });
});
