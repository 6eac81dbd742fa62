import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultTenant } from "../identity/index.ts";
import type { ListKind, Profile, ServerId } from "./index.ts";
import { noCapabilities, profileOf } from "./index.ts";
import { Rig, definition, resource } from "./rig.suite.ts";

const tenant = defaultTenant;
const asking = profileOf({ elicitation: {} });
const sampling = profileOf({ sampling: {} });
const profiles = [noCapabilities, asking, sampling] as const;

const changed = (name: string) => definition(name, { description: "Other words." });

describe("a tool that profiles see differently", () => {
  async function started() {
    const rig = await Rig.started();
    const { id } = await rig.add("files");
    const state = (name: string) => rig.tool(`files__${name}`).state.kind;
    const offer = async (profile: Profile, ...tools: object[]) =>
      (await rig.listed(id, profile, tools)).report;
    return { rig, id, state, offer };
  }

  test("is held against its pin by what the base is offered, whatever others are", async () => {
    const { state, offer } = await started();
    await offer(noCapabilities, definition("read"));
    const report = await offer(asking, changed("read"));
    expect(report).toMatchObject({ changed: [], added: [], gone: [] });
    expect(state("read")).toBe("live");
    await offer(noCapabilities, changed("read"));
    expect(state("read")).toBe("quarantined");
    await offer(asking, definition("read"));
    expect(state("read")).toBe("quarantined");
  });

  test("that the base is not offered is held against its pin by the profile it was first offered to", async () => {
    const { rig, state, offer } = await started();
    await offer(noCapabilities);
    await offer(asking, definition("ask"));
    await offer(sampling, changed("ask"));
    expect(state("ask")).toBe("live");
    await rig.restart();
    await offer(noCapabilities);
    await offer(sampling, changed("ask"));
    expect(state("ask")).toBe("live");
    await offer(asking, changed("ask"));
    expect(state("ask")).toBe("quarantined");
  });

  test("comes under the base as soon as that is offered it", async () => {
    const { rig, state, offer } = await started();
    await offer(asking, definition("ask"));
    await offer(noCapabilities, definition("ask"));
    await offer(asking, changed("ask"));
    expect(state("ask")).toBe("live");
    await rig.restart();
    await offer(asking, changed("ask"));
    expect(state("ask")).toBe("live");
  });

  test("is gone when the last profile that was offered it is not any more, and back when one is", async () => {
    const { state, offer } = await started();
    await offer(noCapabilities, definition("ask"));
    await offer(asking, definition("ask"));
    expect(await offer(noCapabilities)).toMatchObject({ gone: [] });
    expect(state("ask")).toBe("live");
    expect(await offer(asking)).toMatchObject({ gone: ["ask"] });
    expect(await offer(sampling, definition("ask"))).toMatchObject({ restored: ["ask"] });
    expect(state("ask")).toBe("live");
  });

  test("shows nobody a definition that nobody approved", async () => {
    const { rig, offer } = await started();
    await offer(noCapabilities, definition("read"));
    await offer(asking, changed("read"));
    const [shown] = rig.registry.callableToolsOf(tenant, asking);
    expect(shown?.definition.description).toBe("Does read.");
  });
});

type Step =
  | {
      readonly kind: "list";
      readonly server: number;
      readonly profile: number;
      readonly tools: readonly Said[];
    }
  | { readonly kind: "health"; readonly server: number; readonly isUp: boolean }
  | { readonly kind: "restart" };

interface Said {
  readonly name: string;
  readonly isChanged: boolean;
}

const said = fc.record({ name: fc.constantFrom("a", "b", "c"), isChanged: fc.boolean() });
const server = fc.nat(1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("list" as const),
      server,
      profile: fc.nat(profiles.length - 1),
      tools: fc.uniqueArray(said, { maxLength: 3, selector: ({ name }) => name }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("health" as const), server, isUp: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
);

/** A registry and what each server last said to each profile. A tool "a" comes with a resource "x://a". */
class Model {
  readonly rig: Rig;
  readonly servers: readonly ServerId[];
  readonly lists = new Map<string, readonly Said[]>();
  readonly isDown = new Set<number>();
  private kinds = new Set<ListKind>();

  constructor(rig: Rig, servers: readonly ServerId[]) {
    this.rig = rig;
    this.servers = servers;
    this.listen();
  }

  static async started(): Promise<Model> {
    const rig = await Rig.started();
    const first = await rig.add("one");
    rig.clock.advance(1);
    const second = await rig.add("two");
    return new Model(rig, [first.id, second.id]);
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case "list":
        this.lists.set(`${step.server} ${step.profile}`, step.tools);
        await this.repeat(step.server, step.profile);
        break;
      case "health": {
        if (step.isUp) this.isDown.delete(step.server);
        else this.isDown.add(step.server);
        const since = this.rig.clock.wall();
        const trouble = { state: "down", since, cause: "dependency", reason: "gone" } as const;
        this.rig.registry.reportHealth(
          this.id(step.server),
          step.isUp ? { state: "healthy", since } : trouble,
        );
        break;
      }
      case "restart":
        await this.rig.restart();
        this.lists.clear();
        this.isDown.clear();
        this.listen();
        break;
    }
  }

  /** The same list once more. Returns how many changes it led to. */
  async repeat(server: number, profile: number): Promise<number> {
    const list = this.lists.get(`${server} ${profile}`) ?? [];
    const tools = list.map(({ name, isChanged }) => (isChanged ? changed(name) : definition(name)));
    const resources = list.map(({ name }) => resource(`x://${server}/${name}`));
    const before = this.rig.registry.revision(tenant);
    const { report } = await this.rig.listed(this.id(server), this.profile(profile), tools, { resources });
    expect(this.rig.registry.revision(tenant)).toBeGreaterThan(before);
    return report.added.length + report.changed.length + report.gone.length + report.restored.length;
  }

  /** What the server said to this profile, or else to the base; null = neither was asked. */
  heard(server: number, profile: number): readonly Said[] | null {
    return this.lists.get(`${server} ${profile}`) ?? this.lists.get(`${server} 0`) ?? null;
  }

  shown(profile: number): { readonly tools: readonly string[]; readonly resources: readonly string[] } {
    const { registry } = this.rig;
    const tools = registry.callableToolsOf(tenant, this.profile(profile)).map(({ id }) => id);
    return { tools, resources: registry.resourcesOf(tenant, this.profile(profile)).map(({ name }) => name) };
  }

  /** The kinds told since the last look. */
  news(): ReadonlySet<ListKind> {
    const told = this.kinds;
    this.kinds = new Set();
    return told;
  }

  id(server: number): ServerId {
    return this.servers[server] ?? ("" as ServerId);
  }

  profile(at: number): Profile {
    return profiles[at] ?? noCapabilities;
  }

  private listen(): void {
    this.rig.registry.onListChanged((_, kinds) => kinds.forEach((kind) => this.kinds.add(kind)));
  }
}

const steps = fc.array(step, { maxLength: 25 });
const everyList = [0, 1].flatMap((server) => profiles.map((_, profile) => [server, profile] as const));

describe("however lists of profiles, health and restarts follow each other", () => {
  test("nobody is shown what their server did not offer to them, or a definition that nobody approved", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (path) => {
        const model = await Model.started();
        const pinned = new Map<string, unknown>();
        for (const each of path) {
          await model.take(each);
          for (const [at, profile] of profiles.entries()) {
            for (const tool of model.rig.registry.callableToolsOf(tenant, profile)) {
              const server = model.servers.indexOf(tool.server.id);
              const heard = model.heard(server, at);
              if (heard !== null) expect(heard.map(({ name }) => name)).toContain(tool.name);
              expect(model.isDown.has(server)).toBe(false);
              if (!pinned.has(tool.id)) pinned.set(tool.id, tool.pin);
              expect(tool.pin).toBe(pinned.get(tool.id));
            }
            const expected = [0, 1].flatMap((server) =>
              model.isDown.has(server)
                ? []
                : (model.heard(server, at) ?? []).map(({ name }) => `x://${server}/${name}`),
            );
            expect(model.shown(at).resources).toEqual(expected.toSorted());
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test("a list that moved for a profile that was known is told", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (path) => {
        const model = await Model.started();
        for (const each of path) {
          const before = profiles.map((_, at) => model.shown(at));
          const wasAsked = profiles.map((_, at) =>
            [0, 1].every((server) => model.lists.has(`${server} ${at}`)),
          );
          model.news();
          await model.take(each);
          if (each.kind === "restart") continue;
          const told = model.news();
          for (const [at] of profiles.entries()) {
            const now = model.shown(at);
            if (wasAsked[at] !== true) continue;
            if (String(now.tools) !== String(before[at]?.tools)) expect(told).toContain("tools");
            if (String(now.resources) !== String(before[at]?.resources)) expect(told).toContain("resources");
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test("lists that stay as they are come to rest, in whatever order they are told again", async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.shuffledSubarray(everyList, { minLength: everyList.length }),
        async (path, order) => {
          const model = await Model.started();
          for (const each of path) await model.take(each);
          // A tool whose home has just let go of it goes to another profile, whose next list settles it.
          for (const rounds of [1, 2, 3]) {
            for (const [server, profile] of order) {
              const moved = await model.repeat(server, profile);
              if (rounds === 3) expect(moved).toBe(0);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
