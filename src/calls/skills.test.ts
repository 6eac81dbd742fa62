import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultTenant } from "../identity/index.ts";
import type { Features } from "../registry/index.ts";
import { noCapabilities, skillsExtension } from "../registry/index.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import type { World } from "./world.fixture.ts";
import { openWorld, resultOf } from "./world.fixture.ts";

let world: World;
beforeEach(() => open());
afterEach(() => world.stop());

const uri = "skill://refund/SKILL.md";
const secret = "s3cr3t-of-the-server";
const text = "---\nname: refund\ndescription: How to refund.\n---\n\uFEFFBe kind.\r\n";
const digestOf = (said: string) => `sha256:${createHash("sha256").update(said).digest("hex")}`;
const entry = {
  uri,
  frontmatter: { name: "refund", description: "How to refund.", version: null, "allowed-tools": ["x"] },
  resources: [{ uri, digest: digestOf(text), size: Buffer.byteLength(text) }],
};
const skills: Features = {
  capabilities: { resources: {}, extensions: { [skillsExtension]: { directoryRead: true, more: 1 } } },
  serverInfo: null,
  instructions: null,
  tools: [],
  resources: [],
  templates: [],
  prompts: [],
  skills: [entry],
  ttlMs: null,
};

/** A world whose only server offers one skill. */
async function open(policies?: string): Promise<void> {
  world = await openWorld(policies);
  world.registry.offerFeatures(serverId(), noCapabilities, skills);
  world.upstream.answer = () => resultOf('{"skill":{}}');
}

async function withPolicies(policies: string): Promise<void> {
  await world.stop();
  await open(policies);
}

const serverId = () => world.registry.serversOf(defaultTenant)[0]!.id;
const codeOf = (answer: CallAnswer) => (answer.kind === "refused" ? answer.refusal.code : answer.kind);
const ask = (method: CallInput["method"], name: string, args: Record<string, unknown> = {}) =>
  world.call(name, args, {}, { method });
const announced = () => world.line.describe(world.agent).capabilities["extensions"];
const listed = async () => (await world.line.list("skills", world.agent, noCapabilities)).items;

describe("a skill and a directory go through the same line as a resource", () => {
  test.each([
    ["skills/get", uri, {}, `{"uri":"${uri}"}`],
    ["resources/directory/read", "skill://refund", {}, '{"uri":"skill://refund"}'],
    [
      "resources/directory/read",
      "skill://refund/refs",
      { cursor: "2" },
      '{"cursor":"2","uri":"skill://refund/refs"}',
    ],
  ] as const)("%s of %s reaches its server and leaves one entry", async (method, name, args, sent) => {
    expect(codeOf(await ask(method, name, args))).toBe("result");
    expect(world.upstream.sent).toMatchObject([{ method, name: null, argumentsText: sent }]);
    expect(await world.outcomes()).toEqual(["outcome:succeeded"]);
    const [found] = await world.ledger.list(defaultTenant, { limit: 1 });
    expect(found?.entry).toMatchObject({
      method,
      subject: `${serverId()}/${name}`,
      decision: { effect: "allow" },
    });
  });

  test.each(["skills/get", "resources/directory/read"] as const)(
    "%s is a read of policy's",
    async (method) => {
      await withPolicies('permit(principal, action == Action::"read", resource);');
      expect(codeOf(await ask(method, uri))).toBe("result");
      await withPolicies('permit(principal, action == Action::"get", resource);');
      expect(codeOf(await ask(method, uri))).toBe("denied");
      expect(world.upstream.sent).toEqual([]);
      expect(await world.outcomes()).toEqual(["outcome:denied"]);
    },
  );

  test("what nobody serves as a skill is refused as unknown", async () => {
    world.registry.offerFeatures(serverId(), noCapabilities, { ...skills, capabilities: { resources: {} } });
    expect(codeOf(await ask("skills/get", uri))).toBe("unknown-resource");
    expect(codeOf(await ask("resources/directory/read", "skill://refund"))).toBe("unknown-resource");
    expect(await world.outcomes()).toEqual(["outcome:unknown-resource", "outcome:unknown-resource"]);
  });

  test("a server that cannot be reached refuses them with its reason", async () => {
    const down = { state: "down", since: 0 as never, cause: "dependency", reason: "gone" } as const;
    world.registry.reportHealth(serverId(), down);
    expect(codeOf(await ask("skills/get", uri))).toBe("tool-unavailable");
    expect(await listed()).toEqual([]);
  });
});

describe("a file of a skill", () => {
  const read = async (said: string): Promise<string> => {
    const raw = JSON.stringify({ contents: [{ uri, mimeType: "text/markdown", text: said }] });
    world.upstream.answer = () => resultOf(raw);
    const answer = await ask("resources/read", uri);
    if (answer.kind !== "result") throw new Error(codeOf(answer));
    return (JSON.parse(answer.text) as { contents: { text: string }[] }).contents[0]!.text;
  };

  test("has the bytes that its digest was made of", async () => {
    expect(digestOf(await read(text))).toBe(entry.resources[0]?.digest);
  });

  test("with a credential of ours in it arrives without it, so that its digest tells", async () => {
    world.vault.knownSecrets = () => [secret];
    const seen = await read(`${text}${secret}`);
    expect(seen).not.toContain(secret);
    expect(digestOf(seen)).not.toBe(digestOf(`${text}${secret}`));
  });
});

describe("the list of skills", () => {
  test("holds entries as they came", async () => {
    expect((await listed()).map((item) => JSON.parse(item) as unknown)).toEqual([entry]);
  });

  test("holds only what policy lets the caller read", async () => {
    await withPolicies(`
      permit(principal, action, resource);
      forbid(principal, action == Action::"read", resource == Resource::"files/skill://refund/SKILL.md");
    `);
    expect(await listed()).toEqual([]);
    expect(codeOf(await ask("skills/get", uri))).toBe("denied");
  });
});

describe("the extension", () => {
  test("is announced with what of it is carried", () => {
    expect(announced()).toEqual({ [skillsExtension]: { directoryRead: true } });
  });

  test("is not announced when no server offers it, or none that the caller may read", async () => {
    await withPolicies('permit(principal, action == Action::"call", resource);');
    expect(announced()).toBeUndefined();
    await withPolicies("permit(principal, action, resource);");
    world.registry.offerFeatures(serverId(), noCapabilities, { ...skills, capabilities: { resources: {} } });
    expect(announced()).toBeUndefined();
  });

  test("is announced for a server that does not list what it serves", () => {
    const capabilities = { resources: {}, extensions: { [skillsExtension]: {} } };
    world.registry.offerFeatures(serverId(), noCapabilities, { ...skills, capabilities, skills: [] });
    expect(announced()).toEqual({ [skillsExtension]: {} });
  });
});
