import { describe, expect, test } from "vitest";
import type { TenantId } from "../identity/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { profilesPerServerMax } from "./feature-book.ts";
import type { ListKind, Profile } from "./index.ts";
import { noCapabilities, profileOf } from "./index.ts";
import { featuresPerServerMax, uriCharsMax } from "./parse-features.ts";
import { Rig, codeOf, definition, features, prompt, resource, template } from "./rig.suite.ts";

const tenant = defaultTenant;
const asking: Profile = profileOf({ elicitation: {} });
const sampling: Profile = profileOf({ sampling: {} });
const down = (rig: Rig) =>
  ({ state: "down", since: rig.clock.wall(), cause: "dependency", reason: "it fell over" }) as const;
const healthy = (rig: Rig) => ({ state: "healthy", since: rig.clock.wall() }) as const;

/** Two servers, the first of them older, both healthy. */
async function twoServers() {
  const rig = await Rig.started();
  const older = await rig.add("zoo");
  rig.clock.advance(10);
  const younger = await rig.add("ape");
  for (const { id } of [older, younger]) rig.registry.reportHealth(id, healthy(rig));
  return { rig, older, younger, registry: rig.registry };
}

const uris = (list: readonly { readonly name: string }[]): string[] => list.map(({ name }) => name);

describe("the lists of all servers together", () => {
  test("stand by server name, then by name, however they were offered", async () => {
    const { registry, older, younger } = await twoServers();
    registry.offerFeatures(
      older.id,
      noCapabilities,
      features({
        resources: [resource("z://b"), resource("z://a")],
        templates: [template("z://{x}")],
        prompts: [prompt("write"), prompt("greet")],
      }),
    );
    registry.offerFeatures(
      younger.id,
      noCapabilities,
      features({ resources: [resource("y://q")], prompts: [prompt("sum up")] }),
    );
    expect(uris(registry.resourcesOf(tenant, noCapabilities))).toEqual(["y://q", "z://a", "z://b"]);
    expect(registry.templatesOf(tenant, noCapabilities)).toMatchObject([
      { kind: "resource", name: "z://{x}", exposedName: "z://{x}", id: `${older.id}/z://{x}` },
    ]);
    const names = registry.promptsOf(tenant, noCapabilities).map(({ exposedName }) => exposedName);
    expect(names).toEqual([expect.stringMatching(/^ape__sum_up_[0-9a-f]{8}$/), "zoo__greet", "zoo__write"]);
    expect(registry.resourcesOf(tenant, noCapabilities)).toBe(registry.resourcesOf(tenant, noCapabilities));
    expect(registry.resourcesOf("other" as TenantId, noCapabilities)).toEqual([]);
  });

  test("leave out servers that are down or disabled, of which a call still says what is wrong", async () => {
    const { rig, registry, older } = await twoServers();
    registry.offerFeatures(
      older.id,
      noCapabilities,
      features({ resources: [resource("z://a")], prompts: [prompt("greet")] }),
    );
    registry.reportHealth(older.id, down(rig));
    expect(registry.resourcesOf(tenant, noCapabilities)).toEqual([]);
    expect(registry.promptsOf(tenant, noCapabilities)).toEqual([]);
    const read = registry.resourceAt(tenant, "z://a", null);
    if (read === null) throw new Error("it is known");
    expect(registry.callable(read)).toMatchObject({
      ok: false,
      refusal: { code: "tool-unavailable", evidence: { resource: read.id, cause: "dependency" } },
    });
    registry.reportHealth(older.id, healthy(rig));
    expect(registry.callable(read).ok).toBe(true);
    expect(uris(registry.resourcesOf(tenant, noCapabilities))).toEqual(["z://a"]);
    await rig.commit(registry.setServerEnabled(tenant, older.id, false));
    expect(registry.resourcesOf(tenant, noCapabilities)).toEqual([]);
    expect(registry.callable(read)).toMatchObject({ ok: false, refusal: { evidence: { disabled: true } } });
    await rig.commit(registry.removeServer(tenant, older.id));
    expect(codeOf(registry.callable(read))).toBe("unknown-resource");
  });

  test("are other ones for each profile, and the base's for a profile nobody asked for", async () => {
    const { rig, registry, older } = await twoServers();
    await rig.listed(older.id, noCapabilities, [definition("read")], { resources: [resource("z://a")] });
    await rig.listed(older.id, asking, [definition("read"), definition("ask")], {
      resources: [resource("z://a"), resource("z://form")],
    });
    const tools = (profile: Profile) =>
      registry.callableToolsOf(tenant, profile).map(({ exposedName }) => exposedName);
    expect(tools(asking)).toEqual(["zoo__ask", "zoo__read"]);
    expect(tools(noCapabilities)).toEqual(["zoo__read"]);
    expect(tools(sampling)).toEqual(["zoo__read"]);
    expect(registry.callableToolsOf(tenant)).toBe(registry.callableToolsOf(tenant, noCapabilities));
    expect(uris(registry.resourcesOf(tenant, asking))).toEqual(["z://a", "z://form"]);
    expect(uris(registry.resourcesOf(tenant, sampling))).toEqual(["z://a"]);
  });

  test("show the tools on record before a server has said anything, but not those of other profiles", async () => {
    const { rig, older } = await twoServers();
    await rig.listed(older.id, noCapabilities, [definition("read")]);
    await rig.listed(older.id, asking, [definition("read"), definition("ask")]);
    await rig.restart();
    const names = (profile: Profile) => uris(rig.registry.callableToolsOf(tenant, profile));
    expect([names(noCapabilities), names(asking)]).toEqual([["read"], ["read"]]);
    rig.registry.offerFeatures(older.id, asking, features({ tools: ["read", "ask"] }));
    expect([names(noCapabilities), names(asking)]).toEqual([["read"], ["ask", "read"]]);
  });

  test("refuse what cannot be shown, and keep the rest", async () => {
    const { registry, older } = await twoServers();
    const refused = registry.offerFeatures(older.id, noCapabilities, {
      ...features(),
      resources: [
        resource("z://a"),
        resource("z://a", { description: "a second one" }),
        resource("no-scheme"),
        resource("z://tab\there"),
        resource("z://\u202Eevil"),
        resource(`z://${"x".repeat(uriCharsMax)}`),
        { uri: "z://nameless" },
        { name: "no uri" },
        7 as unknown as Record<string, unknown>,
        resource("z://deep", { _meta: { n: 2 ** 60 } }),
        resource("z://null", { description: null, mimeType: "text/plain" }),
      ],
      prompts: [prompt("greet"), prompt("Greet"), prompt("a\nb"), prompt("long".repeat(40))],
      templates: [template("z://{x}"), template("not a template")],
    });
    expect(uris(registry.resourcesOf(tenant, noCapabilities))).toEqual(["z://a", "z://null"]);
    expect(registry.resourceAt(tenant, "z://null", null)?.definition).toEqual({
      uri: "z://null",
      name: "null",
      mimeType: "text/plain",
    });
    expect(uris(registry.promptsOf(tenant, noCapabilities))).toEqual(["greet"]);
    expect(uris(registry.templatesOf(tenant, noCapabilities))).toEqual(["not a template", "z://{x}"]);
    expect(refused.map(({ kind, reason }) => `${kind}: ${reason}`)).toEqual([
      'resource: it collides with "z://a", which was there first',
      "resource: the URI has no scheme",
      expect.stringContaining("control characters"),
      expect.stringContaining("control characters"),
      expect.stringContaining("characters; 8192 are allowed"),
      "resource: a resource has no name",
      "resource: a resource has no uri",
      "resource: a resource must be an object",
      expect.stringContaining("beyond 2^53-1"),
      'prompt: it collides with "greet", which was there first',
      expect.stringContaining("control characters"),
      expect.stringContaining("128 are allowed"),
    ]);
  });

  test("are bounded in number and in bytes", async () => {
    const { registry, older } = await twoServers();
    const many = Array.from({ length: featuresPerServerMax + 1 }, (_, at) => prompt(`p${at}`));
    const large = Array.from({ length: 200 }, (_, at) => resource(`z://${at}`, { text: "x".repeat(60_000) }));
    const refused = registry.offerFeatures(
      older.id,
      noCapabilities,
      features({ prompts: many, resources: large }),
    );
    expect(registry.resourcesOf(tenant, noCapabilities).length).toBeLessThan(150);
    expect(registry.promptsOf(tenant, noCapabilities).length).toBeLessThan(featuresPerServerMax);
    expect(refused.length).toBeLessThanOrEqual(100);
    const few = registry.offerFeatures(older.id, noCapabilities, features({ prompts: many }));
    expect(few).toMatchObject([{ kind: "prompt", reason: "1 beyond the 5000 that are allowed" }]);
  });

  test("keep the base and the profiles asked for last", async () => {
    const { registry, older } = await twoServers();
    registry.offerFeatures(older.id, noCapabilities, features());
    const profiles = Array.from({ length: profilesPerServerMax }, (_, at) =>
      profileOf({ experimental: { at } }),
    );
    for (const profile of profiles) registry.offerFeatures(older.id, profile, features());
    const lacking = profiles.filter((each) => registry.lacksProfile(tenant, each).includes(older.id));
    expect(lacking).toEqual(profiles.slice(0, 1));
    expect(registry.lacksProfile(tenant, noCapabilities)).not.toContain(older.id);
    expect(registry.listedBy(older.id).profiles).toBe(profilesPerServerMax);
  });
});

describe("servers that have to be asked for a profile", () => {
  test("are also those of which it is not kept up to date any more; what was told holds until then", async () => {
    const { registry, older, younger } = await twoServers();
    for (const { id } of [older, younger]) registry.offerFeatures(id, asking, features());
    registry.outdateFeatures(older.id, asking);
    registry.outdateFeatures(older.id, noCapabilities);
    expect(registry.lacksProfile(tenant, asking)).toEqual([older.id]);
    expect(registry.featuresOf(tenant, asking)).toHaveLength(2);
    registry.offerFeatures(older.id, asking, features());
    expect(registry.lacksProfile(tenant, asking)).toEqual([]);
  });

  test("are those that are connected and were not asked, or whose base has changed since", async () => {
    const { rig, registry, older, younger } = await twoServers();
    expect(registry.lacksProfile(tenant, asking)).toEqual([younger.id, older.id]);
    registry.offerFeatures(older.id, noCapabilities, features());
    registry.offerFeatures(older.id, asking, features());
    expect(registry.lacksProfile(tenant, asking)).toEqual([younger.id]);
    registry.reportHealth(younger.id, down(rig));
    expect(registry.lacksProfile(tenant, asking)).toEqual([]);
    registry.offerFeatures(older.id, noCapabilities, features());
    expect(registry.lacksProfile(tenant, asking)).toEqual([]);
    registry.offerFeatures(older.id, noCapabilities, features({ prompts: [prompt("new")] }));
    expect(registry.lacksProfile(tenant, asking)).toEqual([older.id]);
    registry.offerFeatures(older.id, asking, features());
    expect(registry.lacksProfile(tenant, asking)).toEqual([]);
  });

  test("tell what they said of themselves, to the profile or else to the base, well or not", async () => {
    const { rig, registry, older, younger } = await twoServers();
    registry.offerFeatures(older.id, noCapabilities, features({ instructions: "Be kind.", ttlMs: 5 }));
    registry.offerFeatures(younger.id, asking, features({ resources: [resource("y://q")] }));
    registry.reportHealth(older.id, down(rig));
    expect(registry.featuresOf(tenant, asking)).toMatchObject([
      { server: { name: "ape" }, features: { resources: [{ uri: "y://q" }] } },
      {
        server: { name: "zoo" },
        features: { instructions: "Be kind.", ttlMs: 5, serverInfo: { name: "test" } },
      },
    ]);
    expect(registry.featuresOf(tenant, noCapabilities)).toHaveLength(1);
  });

  test("another address is another server: what the old one offered is forgotten", async () => {
    const { rig, registry, older } = await twoServers();
    registry.offerFeatures(older.id, noCapabilities, features({ prompts: [prompt("greet")] }));
    const transport = { kind: "stdio", command: "other", args: [], env: {}, cwd: null } as const;
    await rig.commit(registry.changeServer(tenant, older.id, { transport }));
    expect(registry.listedBy(older.id)).toMatchObject({ profiles: 0, prompts: [] });
  });
});

describe("where a resource is read", () => {
  const listings = async () => {
    const found = await twoServers();
    const { registry, older, younger } = found;
    registry.offerFeatures(
      older.id,
      noCapabilities,
      features({
        resources: [resource("x://both"), resource("z://a")],
        templates: [template("z://{+any}"), template("t://{id}/data")],
      }),
    );
    registry.offerFeatures(
      younger.id,
      noCapabilities,
      features({
        resources: [resource("x://both"), resource("y://q")],
        templates: [template("z://deep/{+any}"), template("t://{id}/data")],
      }),
    );
    return found;
  };
  const at = (registry: Rig["registry"], uri: string, server: string | null = null) => {
    const found = registry.resourceAt(tenant, uri, server);
    return found === null ? null : [found.server.name, found.definition?.["name"] ?? null];
  };

  test("is the server that lists it, of two the one that was added first, also while that is down", async () => {
    const { rig, registry, older } = await listings();
    expect(at(registry, "y://q")).toEqual(["ape", "q"]);
    expect(at(registry, "x://both")).toEqual(["zoo", "both"]);
    registry.reportHealth(older.id, down(rig));
    expect(at(registry, "x://both")).toEqual(["zoo", "both"]);
    expect(uris(registry.resourcesOf(tenant, noCapabilities))).toEqual(["y://q"]);
    await rig.commit(registry.setServerEnabled(tenant, older.id, false));
    expect(at(registry, "x://both")).toEqual(["ape", "both"]);
  });

  test("is the server that is named, listed there or not, as long as it has resources", async () => {
    const { rig, registry } = await listings();
    expect(at(registry, "x://both", "ape")).toEqual(["ape", "both"]);
    expect(at(registry, "z://a", "ape")).toEqual(["ape", null]);
    expect(at(registry, "z://a", "nobody")).toBeNull();
    const third = await rig.add("tools");
    expect(at(registry, "z://a", "tools")).toEqual(["tools", null]); // nobody has asked it yet
    registry.offerFeatures(third.id, noCapabilities, features({ capabilities: { tools: {} } }));
    expect(at(registry, "z://a", "tools")).toBeNull();
  });

  test("is the server with the template that says most, of equals the older one", async () => {
    const { registry, older } = await listings();
    expect(at(registry, "z://deep/er")).toEqual(["ape", "some"]);
    expect(at(registry, "z://shallow")).toEqual(["zoo", "some"]);
    expect(at(registry, "t://7/data")).toEqual(["zoo", "some"]);
    const read = registry.resourceAt(tenant, "t://7/data", null);
    expect(read).toMatchObject({
      name: "t://7/data",
      exposedName: "t://7/data",
      id: `${older.id}/t://7/data`,
    });
    expect(read?.pin).toBe(registry.templateAt(tenant, "t://{id}/data")?.pin);
    expect(registry.templateAt(tenant, "t://{other}/data")).toBeNull();
  });

  test("is nowhere when two servers could have it and none lists it, or when it is no URI", async () => {
    const { registry } = await listings();
    for (const uri of ["u://nowhere", "", " z://a", "z://a\n", `z://${"x".repeat(uriCharsMax)}`]) {
      expect(at(registry, uri)).toBeNull();
    }
  });

  test.each([
    "file:///a/../b",
    "file:///a/./b",
    "file:///a/..",
    "file:///a/%2E%2e/b",
    "file:///a%2f..%2Fb",
    "f:\\\\..\\b",
  ])("is nowhere for %s, unless a server lists just that", async (uri) => {
    const { registry, older } = await twoServers();
    const lists = { templates: [template("file:///{+path}"), template("f:{+path}")] };
    registry.offerFeatures(older.id, noCapabilities, features(lists));
    expect(at(registry, uri.replace(/(\.|%2e)+/i, "x"))).not.toBeNull();
    expect(at(registry, uri)).toBeNull();
    expect(at(registry, uri, "zoo")).toBeNull();
    registry.offerFeatures(older.id, noCapabilities, features({ ...lists, resources: [resource(uri)] }));
    expect(at(registry, uri)?.[0]).toBe("zoo");
  });

  test.each([
    ["file:///%73ecret", "file:///secret"],
    ["file:///a%2Db", "file:///a-b"],
    ["FILE:///secret", "file:///secret"],
    ["file://localhost/secret", "file:///secret"],
    ["file:/secret", "file:///secret"],
    ["file:////secret", "file:///secret"],
    ["file:///a//b", "file:///a/b"],
    ["file:///a\\b", "file:///a/b"],
    ["file:///secret?x", "file:///secret"],
    ["file:///secret#x", "file:///secret"],
    ["https://Example.org/x", "https://example.org/x"],
    ["https://example.org:443/x", "https://example.org/x"],
    ["https://me@example.org/x", "https://example.org/x"],
    ["https:/example.org/x", "https://example.org/x?y#%C3%A9%2F"],
    ["Note://x", "note://Ä b%20c//d"],
  ])(
    "is nowhere for %s, which a server can take for another, unless it lists just that",
    async (uri, plain) => {
      const { registry, older } = await twoServers();
      registry.offerFeatures(older.id, noCapabilities, features({ templates: [template("{+all}")] }));
      expect(at(registry, plain)).not.toBeNull();
      expect(at(registry, plain, "zoo")).not.toBeNull();
      expect(at(registry, uri)).toBeNull();
      expect(at(registry, uri, "zoo")).toBeNull();
      registry.offerFeatures(older.id, noCapabilities, features({ resources: [resource(uri)] }));
      expect(at(registry, uri)?.[0]).toBe("zoo");
    },
  );

  test("is the only server that has resources, under a pin of the URI alone", async () => {
    const { registry, older, younger } = await twoServers();
    expect(at(registry, "ui://app")).toBeNull(); // neither has been asked
    registry.offerFeatures(older.id, noCapabilities, features());
    registry.offerFeatures(younger.id, noCapabilities, features({ capabilities: {} }));
    expect(at(registry, "ui://app")).toEqual(["zoo", null]);
    expect(registry.resourceAt(tenant, "ui://app", null)?.pin).toMatch(/^[0-9a-f]{64}$/);
    expect(registry.resourceAt(tenant, "ui://app", null)?.pin).not.toBe(
      registry.resourceAt(tenant, "ui://other", null)?.pin,
    );
  });

  test("prefers what this profile is offered over what others are", async () => {
    const { registry, older, younger } = await twoServers();
    registry.offerFeatures(older.id, noCapabilities, features());
    registry.offerFeatures(younger.id, noCapabilities, features({ resources: [resource("x://one")] }));
    registry.offerFeatures(
      older.id,
      asking,
      features({ resources: [resource("x://one"), resource("x://two")] }),
    );
    const server = (uri: string, profile?: Profile) =>
      registry.resourceAt(tenant, uri, null, profile)?.server.name;
    expect(server("x://one")).toBe("ape");
    expect(server("x://one", asking)).toBe("zoo");
    expect(server("x://two")).toBe("zoo");
  });
});

describe("a prompt", () => {
  test("is found by its exposed name, under a pin that only its definition moves", async () => {
    const { registry, older } = await twoServers();
    registry.offerFeatures(older.id, noCapabilities, features({ prompts: [prompt("greet")] }));
    const found = registry.promptNamed(tenant, "zoo__greet");
    expect(found).toMatchObject({
      kind: "prompt",
      name: "greet",
      id: `${older.id}/greet`,
      class: { kind: "read" },
    });
    registry.offerFeatures(older.id, noCapabilities, features({ prompts: [prompt("greet"), prompt("b")] }));
    expect(registry.promptNamed(tenant, "zoo__greet")).toBe(found);
    registry.offerFeatures(
      older.id,
      noCapabilities,
      features({ prompts: [prompt("greet", { title: "Hi" })] }),
    );
    expect(registry.promptNamed(tenant, "zoo__greet")?.pin).not.toBe(found?.pin);
    expect(registry.promptNamed(tenant, "greet")).toBeNull();
    expect(registry.promptNamed(tenant, "zoo__b")).toBeNull();
  });

  test("that only another profile is offered is found too", async () => {
    const { registry, older } = await twoServers();
    registry.offerFeatures(older.id, noCapabilities, features());
    registry.offerFeatures(older.id, asking, features({ prompts: [prompt("ask me")] }));
    const { exposedName } = registry.promptsOf(tenant, asking)[0] ?? { exposedName: "" };
    expect(registry.promptNamed(tenant, exposedName)?.name).toBe("ask me");
    expect(registry.promptsOf(tenant, noCapabilities)).toEqual([]);
  });

  test("of a server nobody has asked yet is taken to be there, so that a call can connect it", async () => {
    const { registry, older } = await twoServers();
    expect(registry.promptNamed(tenant, "zoo__greet")).toMatchObject({
      name: "greet",
      server: { id: older.id },
    });
    expect(registry.promptNamed(tenant, "zoo__")).toBeNull();
    expect(registry.promptNamed(tenant, "zoo__t://{x}")).toBeNull();
    expect(registry.promptNamed(tenant, "nobody__greet")).toBeNull();
  });

  test("of the only server goes without prefix where tools do", async () => {
    const rig = await Rig.started({ unprefixed: true });
    const { id } = await rig.add("files");
    const list = [prompt("greet"), prompt("signalbox__wait")];
    rig.registry.offerFeatures(id, noCapabilities, features({ prompts: list }));
    expect(rig.registry.promptsOf(tenant, noCapabilities).map((each) => each.exposedName)).toEqual(["greet"]);
    expect(rig.registry.promptNamed(tenant, "signalbox__wait")).toBeNull();
    await rig.add("second");
    expect(rig.registry.promptNamed(tenant, "files__greet")?.id).toBe(`${id}/greet`);
  });
});

describe("which lists changed", () => {
  async function watched() {
    const found = await twoServers();
    const seen: (readonly ListKind[])[] = [];
    const stop = found.registry.onListChanged((_, kinds) => seen.push(kinds));
    /** What was told since the last look. */
    const news = () => seen.splice(0).flat();
    return { ...found, news, stop };
  }

  test("is told by kind, and not when a list is what it was", async () => {
    const { rig, registry, older, news } = await watched();
    const lists = { resources: [resource("z://a")], prompts: [prompt("greet")] };
    registry.offerFeatures(older.id, noCapabilities, features(lists));
    expect(news()).toEqual(["prompts", "resources"]);
    registry.offerFeatures(older.id, noCapabilities, features({ ...lists, instructions: "Other words." }));
    expect(news()).toEqual([]);
    await rig.listed(older.id, noCapabilities, [definition("read")], lists);
    expect(news()).toEqual(["tools"]);
    registry.offerFeatures(older.id, noCapabilities, features({ ...lists, tools: ["read"], prompts: [] }));
    expect(news()).toEqual(["prompts"]);
    registry.offerFeatures(
      older.id,
      noCapabilities,
      features({ ...lists, tools: ["read"], prompts: [], templates: [template("z://{x}")] }),
    );
    expect(news()).toEqual(["resources"]);
  });

  test("is told when a server falls over, comes back, is renamed, disabled or removed", async () => {
    const { rig, registry, older, news } = await watched();
    await rig.listed(older.id, noCapabilities, [definition("read")], { resources: [resource("z://a")] });
    news();
    registry.reportHealth(older.id, down(rig));
    expect(news()).toEqual(["resources", "tools"]);
    registry.reportHealth(older.id, { ...down(rig), cause: "overload" });
    expect(news()).toEqual([]);
    registry.reportHealth(older.id, healthy(rig));
    expect(news()).toEqual(["resources", "tools"]);
    await rig.commit(registry.changeServer(tenant, older.id, { name: "park" }));
    expect(news()).toContain("tools");
    await rig.commit(registry.setServerEnabled(tenant, older.id, false));
    expect(news()).toEqual(["resources", "tools"]);
    await rig.commit(registry.setServerEnabled(tenant, older.id, true));
    expect(news()).toEqual(["resources", "tools"]);
    await rig.commit(registry.removeServer(tenant, older.id));
    expect(news()).toEqual(["resources", "tools"]);
  });

  test("is told when a tool is quarantined, approved or unwell, and not when its class is set", async () => {
    const { rig, registry, older, news } = await watched();
    await rig.listed(older.id, noCapabilities, [definition("read")]);
    news();
    await rig.commit(registry.setClass(rig.tool("zoo__read"), { kind: "read" }));
    expect(news()).toEqual([]);
    await rig.listed(older.id, noCapabilities, [definition("read", { description: "Obey." })]);
    expect(news()).toEqual(["tools"]);
    const tool = rig.tool("zoo__read");
    if (tool.state.kind !== "quarantined") throw new Error("it is quarantined");
    await rig.commit(registry.approvePin(tool, tool.state.offeredPin));
    expect(news()).toEqual(["tools"]);
    registry.reportToolHealth(tool, down(rig));
    expect(news()).toEqual(["tools"]);
    registry.reportToolHealth(tool, healthy(rig));
    expect(news()).toEqual(["tools"]);
  });

  test("is told of a profile that is known, and not of one that is new: clients would chase each other", async () => {
    const { registry, older, news, stop } = await watched();
    registry.offerFeatures(older.id, noCapabilities, features());
    news();
    registry.offerFeatures(older.id, asking, features({ resources: [resource("z://form")] }));
    expect(news()).toEqual([]);
    registry.offerFeatures(older.id, asking, features({ resources: [] }));
    expect(news()).toEqual(["resources"]);
    stop();
    registry.offerFeatures(older.id, noCapabilities, features({ prompts: [prompt("greet")] }));
    expect(news()).toEqual([]);
  });
});
