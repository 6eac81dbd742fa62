import { skillEntry } from "@modelcontextprotocol/server/ext/skills";
import { describe, expect, test } from "vitest";
import { defaultTenant } from "../identity/index.ts";
import type { Features, ListKind } from "./index.ts";
import { noCapabilities, profileOf, skillsExtension } from "./index.ts";
import { skillProblem } from "./parse-skill.ts";
import { Rig, features, resource, template } from "./rig.suite.ts";
import { directoriesOf, skillRoot, skillsIn } from "./skills.ts";

const tenant = defaultTenant;

const entry = (path: string, files: Record<string, string> = {}) => {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return skillEntry(path, { "SKILL.md": `---\nname: ${name}\ndescription: About ${name}.\n---\n`, ...files });
};

const offering = (directories: boolean, lists: Partial<Features>): Features =>
  features({
    capabilities: {
      tools: {},
      resources: {},
      extensions: { [skillsExtension]: directories ? { directoryRead: true } : {} },
    },
    ...lists,
  });

/** Two servers, the first of them older, both healthy. */
async function twoServers() {
  const rig = await Rig.started();
  const older = await rig.add("zoo");
  rig.clock.advance(10);
  const younger = await rig.add("ape");
  for (const { id } of [older, younger])
    rig.registry.reportHealth(id, { state: "healthy", since: rig.clock.wall() });
  const offer = (server: typeof older, lists: Partial<Features>, directories = true) =>
    rig.registry.offerFeatures(server.id, noCapabilities, offering(directories, lists));
  const listed = () => rig.registry.skillsOf(tenant, noCapabilities).map(({ name }) => name);
  const ownerOf = (uri: string) => rig.registry.resourceAt(tenant, uri, null)?.server.name ?? null;
  return { rig, older, younger, registry: rig.registry, offer, listed, ownerOf };
}

describe("the skills of all servers together", () => {
  test("stand by server name, then by URI, each with its entry as it came", async () => {
    const { offer, older, younger, listed, registry } = await twoServers();
    const refund = await entry("acme/refund", { "references/rules.md": "Be kind." });
    offer(older, { skills: [refund, await entry("acme/bill")] });
    offer(younger, { skills: [await entry("zebra")] });
    expect(listed()).toEqual([
      "skill://zebra/SKILL.md",
      "skill://acme/bill/SKILL.md",
      "skill://acme/refund/SKILL.md",
    ]);
    expect(registry.skillsOf(tenant, noCapabilities)[2]).toMatchObject({
      kind: "resource",
      id: `${older.id}/skill://acme/refund/SKILL.md`,
      class: { kind: "read" },
      definition: refund,
    });
    expect(registry.resourcesOf(tenant, noCapabilities)).toEqual([]);
  });

  test("of one URI are the older server's, and the other's is named by its server", async () => {
    const { offer, older, younger, listed, ownerOf, registry } = await twoServers();
    const uri = "skill://a/SKILL.md";
    offer(younger, { skills: [await entry("a")] });
    expect([listed(), ownerOf(uri)]).toEqual([[uri], "ape"]);
    offer(older, { skills: [await entry("a", { "x.md": "x" })] });
    expect([listed(), ownerOf(uri)]).toEqual([[uri], "zoo"]);
    expect(registry.skillsOf(tenant, noCapabilities)[0]?.definition?.["resources"]).toHaveLength(2);
    expect(registry.skillAt(tenant, uri, "skill", "ape")).toMatchObject({ id: `${younger.id}/${uri}` });
  });

  test("are not listed where another server would be read instead", async () => {
    const { offer, older, younger, listed, ownerOf } = await twoServers();
    offer(older, { resources: [resource("skill://a/SKILL.md")] });
    offer(younger, { skills: [await entry("a"), await entry("b")] });
    expect([listed(), ownerOf("skill://a/SKILL.md")]).toEqual([["skill://b/SKILL.md"], "zoo"]);
  });

  test("keep their directories to themselves", async () => {
    const { offer, older, younger, listed, ownerOf, registry } = await twoServers();
    offer(older, { skills: [await entry("a")] });
    offer(younger, {
      resources: [resource("skill://a/secret.md"), resource("skill://ab/c.md")],
      skills: [await entry("a/inner"), await entry("x/a")],
      templates: [template("skill://a/{name}")],
    });
    expect(listed()).toEqual(["skill://x/a/SKILL.md", "skill://a/SKILL.md"]);
    expect(registry.resourcesOf(tenant, noCapabilities).map(({ name }) => name)).toEqual(["skill://ab/c.md"]);
    const owners = ["skill://a", "skill://a/secret.md", "skill://a/inner/SKILL.md", "skill://a/b/c/d.md"];
    expect(owners.map(ownerOf)).toEqual(owners.map(() => "zoo"));
    expect(ownerOf("skill://ab/c.md")).toBe("ape");
    expect(ownerOf("skill://a/../x/a/SKILL.md")).toBeNull();
  });

  test("vanish from the list while their server is down, and are found all the same", async () => {
    const { rig, offer, older, listed, ownerOf } = await twoServers();
    offer(older, { skills: [await entry("a")] });
    rig.registry.reportHealth(older.id, {
      state: "down",
      since: rig.clock.wall(),
      cause: "dependency",
      reason: "it fell over",
    });
    expect([listed(), ownerOf("skill://a/SKILL.md")]).toEqual([[], "zoo"]);
  });

  test("are told of as resources when they change", async () => {
    const { offer, older, registry } = await twoServers();
    const told: (readonly ListKind[])[] = [];
    registry.onListChanged((_, kinds) => told.push(kinds));
    offer(older, { skills: [await entry("a")] });
    offer(older, { skills: [await entry("a")] });
    offer(older, { skills: [await entry("a", { "new.md": "" })] });
    offer(older, { skills: [] });
    expect(told).toEqual([["resources"], ["resources"], ["resources"]]);
  });
});

describe("a skill or a directory", () => {
  test("is only where the extension is offered", async () => {
    const { offer, older, younger, registry } = await twoServers();
    offer(older, { skills: [await entry("a")] }, false);
    registry.offerFeatures(
      younger.id,
      noCapabilities,
      features({ resources: [resource("skill://b/SKILL.md")] }),
    );
    const at = (uri: string, what: "skill" | "directory") =>
      registry.skillAt(tenant, uri, what, null)?.server.name ?? null;
    expect(at("skill://a/SKILL.md", "skill")).toBe("zoo");
    expect(at("skill://a", "directory")).toBeNull();
    expect(at("skill://b/SKILL.md", "skill")).toBeNull();
    offer(older, { skills: [await entry("a")] });
    expect(at("skill://a", "directory")).toBe("zoo");
  });

  test("that nobody lists is asked of the only server that can have it", async () => {
    const { offer, older, younger, registry, ownerOf } = await twoServers();
    offer(older, { skills: [] });
    registry.offerFeatures(younger.id, noCapabilities, features({ resources: [resource("x://y")] }));
    expect(registry.skillAt(tenant, "skill://made/up/SKILL.md", "skill", null)?.server.name).toBe("zoo");
    expect([ownerOf("skill://made/up/notes.md"), ownerOf("other://made/up")]).toEqual(["zoo", null]);
    offer(younger, { skills: [] });
    expect(registry.skillAt(tenant, "skill://made/up/SKILL.md", "skill", null)).toBeNull();
    expect(registry.skillAt(tenant, "skill://made/up/SKILL.md", "skill", "ape")?.server.name).toBe("ape");
  });

  test("is offered per profile, as its server listed it", async () => {
    const { rig, offer, older, listed } = await twoServers();
    offer(older, { skills: [await entry("a")] });
    const asking = profileOf({ elicitation: {} });
    rig.registry.offerFeatures(older.id, asking, offering(true, { skills: [await entry("b")] }));
    expect(listed()).toEqual(["skill://a/SKILL.md"]);
    expect(rig.registry.skillsOf(tenant, asking).map(({ name }) => name)).toEqual(["skill://b/SKILL.md"]);
  });
});

describe("an entry of a list", () => {
  test("that the official SDK makes is accepted", async () => {
    const files = {
      "references/Q&A.md": "?",
      "scripts/run me.sh": "#!/bin/sh",
      "100%.txt": "%",
      "ü.md": "ü",
    };
    const made = await entry("acme/refund-rules", files);
    expect(skillProblem(made, made.uri)).toBeNull();
    expect(skillProblem({ ...made, resources: "dynamic" }, made.uri)).toBeNull();
    expect(skillProblem({ ...made, _meta: { "org.example/x": 1 } }, made.uri)).toBeNull();
  });

  const file = { uri: "skill://a/SKILL.md", digest: `sha256:${"0".repeat(64)}`, size: 1 };
  const good = {
    uri: file.uri,
    frontmatter: { name: "a", description: "About a." },
    resources: [file] as unknown,
  };
  test.each([
    ["another file's URI", { uri: "skill://a/README.md" }, "not that of a SKILL.md"],
    ["a skill without a directory", { uri: "skill://SKILL.md" }, "not that of a SKILL.md"],
    ["a URI in another spelling", { uri: "skill://a/./SKILL.md" }, "not in its normal form"],
    ["no frontmatter", { frontmatter: null }, "no frontmatter"],
    [
      "another name than its directory",
      { frontmatter: { name: "b", description: "x" } },
      "directory another",
    ],
    ["a name with capitals", { frontmatter: { name: "A", description: "x" } }, "small letters"],
    ["no description", { frontmatter: { name: "a", description: "" } }, "description"],
    [
      "metadata that is no map of texts",
      { frontmatter: { name: "a", description: "x", metadata: { n: 1 } } },
      "metadata",
    ],
    ["no files", { resources: undefined }, "neither a list"],
    ["no SKILL.md", { resources: [{ ...file, uri: "skill://a/x.md" }] }, "not among its files"],
    ["a file twice", { resources: [file, { ...file, uri: "skill://a/SKILL%2Emd" }] }, "twice"],
    ["a file elsewhere", { resources: [file, { ...file, uri: "skill://b/x.md" }] }, "outside"],
    ["a way out", { resources: [file, { ...file, uri: "skill://a/%2e%2e%2fb" }] }, "outside"],
    ["a digest of another kind", { resources: [{ ...file, digest: "md5:0" }] }, "no SHA-256"],
    ["a size that is none", { resources: [{ ...file, size: -1 }] }, "size"],
  ])("with %s is refused", (_, change, reason) => {
    const said = { ...good, ...change };
    expect(skillProblem(good, good.uri)).toBeNull();
    expect(skillProblem(said, said.uri)).toContain(reason);
  });

  test("that cannot be shown is left out, and the others stay", async () => {
    const { offer, older, listed } = await twoServers();
    const refused = offer(older, {
      skills: [{ ...good, resources: null }, await entry("b"), await entry("b")],
    });
    expect(listed()).toEqual(["skill://b/SKILL.md"]);
    expect(refused).toMatchObject([
      { kind: "skill", name: good.uri },
      { kind: "skill", reason: expect.stringContaining("collides") },
    ]);
  });

  test("with as many files as a skill may have is accepted", async () => {
    const names = Array.from({ length: 511 }, (_, n) => [
      `references/a-rather-long-name-of-a-file-${n}.md`,
      "",
    ]);
    const made = await entry("a", Object.fromEntries(names));
    const { offer, older, listed } = await twoServers();
    expect(offer(older, { skills: [made] })).toEqual([]);
    expect(listed()).toEqual([made.uri]);
  });
});

describe("addresses of skills", () => {
  test("name a directory", () => {
    expect(skillRoot("skill://a/b/SKILL.md")).toBe("skill://a/b");
    expect(skillRoot("skill://a/b/skill.md")).toBeNull();
    expect(skillRoot(`skill://${"a/".repeat(40)}SKILL.md`)).toBeNull();
  });

  test("have directories above them, and never too many to look at", () => {
    expect(directoriesOf("skill://a/b/c")).toEqual([
      "skill://a/b/c",
      "skill://a/b",
      "skill://a",
      "skill:/",
      "skill:",
    ]);
    expect(directoriesOf("/".repeat(4_096)).length).toBeLessThan(40);
  });

  test("mean something where the extension is announced with settings of its own", () => {
    expect(skillsIn({ extensions: { [skillsExtension]: {} } })).toEqual({ directories: false });
    expect(skillsIn({ extensions: { [skillsExtension]: { directoryRead: true } } })).toEqual({
      directories: true,
    });
    expect(skillsIn({ extensions: { [skillsExtension]: true } })).toBeNull();
    expect(skillsIn({ extensions: [] })).toBeNull();
  });
});
