import { Client, fromJsonSchema, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Skill, SkillFile } from "@modelcontextprotocol/client/ext/skills";
import { SKILLS_EXTENSION_ID, SkillsClient } from "@modelcontextprotocol/client/ext/skills";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Fixture } from "../conformance/fixture/fixture.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";

/** Skills of two servers built on the official SDK, one of each era, read through a node by the official client in both eras. */
const directory = newDirectory();
let older: Fixture;
let newer: Fixture;
let node: NodeProcess;

beforeAll(async () => {
  [older, newer] = await Promise.all([Fixture.start("legacy"), Fixture.start("modern")]);
  node = await NodeProcess.start({
    directory,
    yaml: `servers: { older: { url: "${older.url}" }, newer: { url: "${newer.url}" } }`,
  });
  await node.toolsAre(["older__test_simple_text", "newer__test_simple_text"]);
});
afterAll(async () => {
  await node.stop();
  await Promise.all([older.stop(), newer.stop()]);
  removeDirectory(directory);
});

const shared = "skill://signals/SKILL.md";
const own = (era: string): string => `skill://only-in-${era}/SKILL.md`;

interface Call {
  readonly method: string;
  /** The subject, whatever it is. */
  readonly tool: string;
  readonly outcome: { readonly kind: string; readonly code?: string };
}

/** The newest call of this method, as the ledger has it. */
async function lastOf(method: string): Promise<Call | undefined> {
  const { body } = await node.admin<{ items: readonly Call[] }>("GET", "/calls?limit=20");
  return body.items.find((call) => call.method === method);
}

/** By server, then by URI. */
const allSkills = (one: "modern" | "legacy"): string[] =>
  one === "modern" ? [own("modern"), shared, own("legacy")] : [own("modern"), own("legacy"), shared];

async function connected(mode: "auto" | "legacy"): Promise<Client> {
  const client = new Client({ name: "reader", version: "1" }, { versionNegotiation: { mode } });
  const requestInit = { headers: { authorization: `Bearer ${node.agentToken}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), { requestInit }));
  return client;
}

describe.each([
  ["2026-07-28", "auto"],
  ["2025-11-25", "legacy"],
] as const)("a client of %s", (revision, mode) => {
  let client: Client;
  let skills: SkillsClient;
  beforeEach(async () => {
    client = await connected(mode);
    skills = new SkillsClient(client);
  });
  afterEach(() => client.close());

  const entries = async (): Promise<ReadonlyMap<string, Skill>> =>
    new Map((await skills.list()).skills.map((skill) => [skill.uri, skill]));

  test("is told that there are skills, with directories to look into", () => {
    expect(client.getNegotiatedProtocolVersion()).toBe(revision);
    expect(client.getServerCapabilities()?.extensions).toHaveProperty([SKILLS_EXTENSION_ID], {
      directoryRead: true,
    });
    expect([skills.supported, skills.directoryRead]).toEqual([true, true]);
  });

  test("lists the skills of all servers on one page, one URI once", async () => {
    const { skills: all, invalid, ttlMs, cacheScope } = await skills.list();
    // Both servers were added in the same moment, so either may be the older one.
    expect([allSkills("modern"), allSkills("legacy")]).toContainEqual(all.map(({ uri }) => uri));
    expect(invalid).toEqual([]);
    expect([ttlMs, cacheScope]).toEqual(mode === "auto" ? [1_000, "private"] : [undefined, undefined]);
  });

  test.each(["modern", "legacy"])(
    "reads every file of a %s server's skill as it was digested",
    async (era) => {
      const skill = (await entries()).get(own(era));
      if (skill === undefined || skill.resources === "dynamic") throw new Error("it is not listed");
      const files: SkillFile[] = [];
      for (const { uri } of skill.resources) files.push(await skills.read(skill, uri));
      expect(files.map(({ verified }) => verified)).toEqual([true, true, true]);
      const bytes = files.find(({ uri }) => uri.endsWith("picture.bin"))?.bytes;
      expect(
        Buffer.from(bytes ?? []).equals(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))),
      ).toBe(true);
      expect(files.find(({ uri }) => uri === skill.uri)?.frontmatter).toEqual(skill.frontmatter);
    },
  );

  test.each(["modern", "legacy"])("gets one entry of a %s server, the same as the list has", async (era) => {
    const { skill, ttlMs, cacheScope } = await skills.get(own(era));
    expect(skill).toEqual((await entries()).get(own(era)));
    if (mode === "legacy") expect([ttlMs, cacheScope]).toEqual([undefined, undefined]);
    else expect([ttlMs, cacheScope]).toEqual([era === "modern" ? 1_000 : 0, "private"]);
    expect(await lastOf("skills/get")).toMatchObject({
      tool: expect.stringMatching(new RegExp(`^srv_\\w+/${own(era)}$`)),
      outcome: { kind: "succeeded" },
    });
  });

  test.each(["modern", "legacy"])("looks into a directory of a %s server, page by page", async (era) => {
    const root = `skill://only-in-${era}`;
    const { resources } = await skills.readDirectory(root);
    expect(resources.map(({ uri, mimeType }) => [uri, mimeType === "inode/directory"])).toEqual([
      [`${root}/SKILL.md`, false],
      [`${root}/assets`, true],
      [`${root}/references`, true],
    ]);
    expect(await lastOf("resources/directory/read")).toMatchObject({
      tool: expect.stringMatching(new RegExp(`^srv_\\w+/${root}$`)),
      outcome: { kind: "succeeded" },
    });
  });

  test("is told by -32602 that something is no skill, or no directory", async () => {
    const code = { code: -32602 };
    await expect(skills.get("skill://nobody/has/SKILL.md")).rejects.toMatchObject(code);
    await expect(skills.get("test://static-text")).rejects.toMatchObject(code);
    await expect(skills.readDirectory(shared)).rejects.toMatchObject(code);
  });

  test.each(["older", "newer"])(
    "gets a skill of a URI that both have from %s, when it says so",
    async (name) => {
      const fixture = name === "older" ? older : newer;
      fixture.arrivals.length = 0;
      const params = { uri: shared, _meta: { [metaKeys.server]: name } };
      const { skill } = await client.request({ method: "skills/get", params }, answered);
      expect(skill.uri).toBe(shared);
      const sent = fixture.arrivals.map(({ text }) => JSON.parse(text) as { method: string; params: object });
      expect(sent.find(({ method }) => method === "skills/get")?.params).toMatchObject({ uri: shared });
    },
  );
});

const answered = fromJsonSchema<{ readonly skill: { readonly uri: string } }>({
  type: "object",
  properties: { skill: { type: "object", properties: { uri: { type: "string" } } } },
});

describe("a skill that policy keeps from its caller", () => {
  const file = `skill://only-in-modern/references/Q&A.md`;
  let client: Client;
  let skills: SkillsClient;
  beforeAll(async () => {
    const text = `permit (principal is Person in Role::"admin", action in Action::"admin", resource);
      permit (principal, action, resource);
      forbid (principal, action == Action::"read", resource == Resource::"older/${own("legacy")}");
      forbid (principal, action == Action::"read", resource == Resource::"newer/${file}");`;
    const set = await node.admin("PUT", "/policies", { sources: [{ name: "p.cedar", text }] });
    expect(set).toMatchObject({ status: 200 });
    client = await connected("auto");
    skills = new SkillsClient(client);
  });
  afterAll(() => client.close());

  test("is not listed", async () => {
    await until(async () => (await skills.list()).skills.length === 2);
    expect((await skills.list()).skills.map(({ uri }) => uri)).not.toContain(own("legacy"));
  });

  test("is refused, and the refusal is an entry", async () => {
    older.arrivals.length = 0;
    await expect(skills.get(own("legacy"))).rejects.toThrow(/policy|allow/i);
    expect(await lastOf("skills/get")).toMatchObject({ outcome: { kind: "refused", code: "denied" } });
    expect(older.arrivals.map(({ text }) => text).join()).not.toContain("skills/get");
  });

  test("may also be a single file of one that is listed", async () => {
    const { skill } = await skills.get(own("modern"));
    expect((await skills.read(skill)).verified).toBe(true);
    await expect(skills.read(skill, "references/Q&A.md")).rejects.toThrow(/policy|allow/i);
  });
});
