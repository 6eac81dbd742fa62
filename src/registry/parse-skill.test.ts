import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { SkillsClient } from "@modelcontextprotocol/client/ext/skills";
import { fromJsonSchema, McpServer } from "@modelcontextprotocol/server";
import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonProblem } from "./json-bounds.ts";
import { definitionBounds } from "./parse-definition.ts";
import { skillProblem } from "./parse-skill.ts";
import { skillsExtension } from "./skills.ts";

type Entry = Readonly<Record<string, unknown>>;

const digest = `sha256:${"0f".repeat(32)}`;
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "b-1", "x".repeat(64)) },
  { weight: 1, arbitrary: fc.constantFrom("A", "a--b", "", "x".repeat(65), "ä") },
);
const uri = fc.oneof(
  { weight: 4, arbitrary: name.map((it) => `skill://${it}/SKILL.md`) },
  { weight: 4, arbitrary: name.map((it) => `skill://org/deep/${it}/SKILL.md`) },
  fc.constantFrom(
    "skill://SKILL.md",
    "skill:///SKILL.md",
    "a/SKILL.md",
    "skill://a/skill.md",
    "file:///a/SKILL.md",
  ),
);
const path = fc.constantFrom(
  "SKILL.md",
  "SKILL%2Emd",
  "x.md",
  "%78.md",
  "Q&A.md",
  "Q%26A.md",
  "refs/x.md",
  "refs//x.md",
  "refs/../x.md",
  "%2e%2e/x",
  "a%2Fb",
  "a%00b",
  "100%.md",
  "100%25.md",
  "x.md?q",
  "x.md#f",
  "é",
  "%C3%A9",
  "",
);
const some = (good: unknown, ...bad: unknown[]): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: fc.constantFrom(...bad) });

const entry: fc.Arbitrary<Entry> = fc
  .record({
    uri,
    isNamed: some(true, false),
    other: name,
    description: some("About.", "", "x".repeat(1_025), "\u{1F6A6}".repeat(1_024), 1),
    more: fc.record(
      {
        compatibility: some("any", "", "x".repeat(501), 1),
        metadata: some({ a: "b" }, {}, { a: 1 }, [], null),
      },
      { requiredKeys: [] },
    ),
    withOwn: some(true, false),
    files: fc.array(
      fc.record({
        path,
        digest: some(digest, "md5:1", digest.toUpperCase()),
        size: some(1, 0, 1.5, -1, "1"),
      }),
      {
        maxLength: 3,
      },
    ),
    kind: some("list", "dynamic", "none", "other"),
    meta: some(undefined, { a: 1 }, []),
  })
  .map(({ uri, isNamed, other, description, more, withOwn, files, kind, meta }) => {
    const root = uri.slice(0, -"/SKILL.md".length);
    const own = withOwn ? [{ uri, digest, size: 1 }] : [];
    const listed = files.map((file) => ({
      uri: `${root}/${file.path}`,
      digest: file.digest,
      size: file.size,
    }));
    const resources = kind === "list" ? [...own, ...listed] : kind === "none" ? undefined : kind;
    const named = isNamed ? root.slice(root.lastIndexOf("/") + 1) : other;
    return JSON.parse(
      JSON.stringify({ uri, frontmatter: { name: named, description, ...more }, resources, _meta: meta }),
    ) as Entry;
  });

/** What stands in `said` is what the server lists. */
async function officialClient(said: { entry: Entry }) {
  const server = new McpServer(
    { name: "oracle", version: "1" },
    { capabilities: { resources: {}, extensions: { [skillsExtension]: {} } } },
  );
  server.server.setRequestHandler("skills/list", { params: fromJsonSchema({ type: "object" }) }, () => ({
    skills: [said.entry],
  }));
  const [here, there] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: "oracle", version: "1" });
  await Promise.all([server.connect(there), client.connect(here)]);
  return { skills: new SkillsClient(client, { skipInvalid: true }), close: () => client.close() };
}

test("an entry is accepted just when the official client accepts it, and its URI has one spelling", async () => {
  const said: { entry: Entry } = { entry: {} };
  const { skills, close } = await officialClient(said);
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(entry, async (each) => {
      said.entry = each;
      const { invalid } = await skills.list();
      const at = each["uri"] as string;
      const isNormal = URL.canParse(at) && new URL(at).href === at;
      const problem = jsonProblem(each, definitionBounds) ?? skillProblem(each, at);
      expect([problem === null, each, problem, invalid]).toEqual([
        invalid.length === 0 && isNormal,
        each,
        problem,
        invalid,
      ]);
      if (problem === null) accepted++;
    }),
    { numRuns: 2_000 },
  );
  expect(accepted).toBeGreaterThan(50);
  await close();
});
