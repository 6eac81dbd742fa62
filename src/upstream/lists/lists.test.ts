import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deadlineIn, Fault, ManualClock } from "../../base/index.ts";
import { noCapabilities, profileOf } from "../../registry/index.ts";
import type { Profile } from "../../registry/index.ts";
import type { UpstreamReply } from "../exchange.ts";
import { defaultUpstreamLimits } from "../limits.ts";
import { seenProfile } from "../seen-profile.ts";
import { announcedIn } from "./announced.ts";
import { FakeServer } from "./fake-server.fixture.ts";
import { LineCatalogue } from "./line-catalogue.ts";
import type { PagesWanted } from "./read-pages.ts";
import { readPages } from "./read-pages.ts";

const reply = (value: Record<string, unknown>): UpstreamReply => ({
  kind: "result",
  raw: JSON.stringify(value),
  value,
});

describe("the pages of a list", () => {
  const wanted: PagesWanted = {
    serverName: "box",
    method: "prompts/list",
    member: "prompts",
    pagesMax: 4,
    itemsMax: 5,
    charsMax: 1_000,
    beyondMax: "left-out",
    mayLack: true,
  };
  const read = (pages: readonly UpstreamReply[], over: Partial<PagesWanted> = {}) => {
    let at = 0;
    return readPages(
      async () => {
        const page = pages[at++];
        if (page === undefined) throw new Error("no such page");
        return page;
      },
      { ...wanted, ...over },
    );
  };
  const refused = (code: number): UpstreamReply => ({ kind: "rejected", error: { code, message: "no" } });

  it("are put together, with the least time to live", async () => {
    const pages = [
      reply({ prompts: [1], nextCursor: "a", ttlMs: 50 }),
      reply({ prompts: [2], nextCursor: "b", ttlMs: 20 }),
      reply({ prompts: [3], ttlMs: "soon" }),
    ];
    expect(await read(pages)).toMatchObject({ items: [1, 2, 3], ttlMs: 20 });
  });

  it("have a digest that changes with any byte and with where a page ends", async () => {
    const digest = async (...pages: UpstreamReply[]): Promise<string> => (await read(pages)).digest;
    const one = await digest(reply({ prompts: [1, 2] }));
    expect(await digest(reply({ prompts: [1, 2] }))).toBe(one);
    expect(await digest(reply({ prompts: [1, 3] }))).not.toBe(one);
    expect(await digest(reply({ prompts: [1], nextCursor: "a" }), reply({ prompts: [2] }))).not.toBe(one);
  });

  it("are none where the method is not known, and a fault for every other error", async () => {
    expect(await read([refused(-32601)])).toEqual({ items: [], digest: "", ttlMs: null });
    await expect(read([refused(-32601)], { mayLack: false })).rejects.toMatchObject({
      code: "upstream-rejected",
    });
    await expect(read([refused(-32603)])).rejects.toMatchObject({ code: "upstream-rejected" });
    const late = [reply({ prompts: [1], nextCursor: "a" }), refused(-32601)];
    await expect(read(late)).rejects.toMatchObject({ code: "upstream-rejected" });
  });

  it("have a bound, and what turns in circles is refused", async () => {
    const many = reply({ prompts: [1, 2, 3, 4, 5, 6], nextCursor: "a" });
    expect((await read([many])).items).toEqual([1, 2, 3, 4, 5]);
    await expect(read([many], { beyondMax: "fault" })).rejects.toMatchObject({ code: "upstream-garbage" });
    const long = ["a", "b", "c"].map((nextCursor) => reply({ prompts: ["x".repeat(400)], nextCursor }));
    expect((await read(long)).items).toHaveLength(2);
    await expect(read(long, { beyondMax: "fault" })).rejects.toMatchObject({ code: "upstream-garbage" });
    const circle = reply({ prompts: [], nextCursor: "a" });
    await expect(read([circle, circle])).rejects.toMatchObject({ code: "upstream-garbage" });
    const endless = ["a", "b", "c", "d", "e"].map((nextCursor) => reply({ prompts: [], nextCursor }));
    await expect(read(endless)).rejects.toMatchObject({ code: "upstream-garbage" });
    await expect(read([reply({ prompts: "none" })])).rejects.toMatchObject({ code: "upstream-garbage" });
    await expect(read([{ kind: "task", raw: "{}", value: {} }])).rejects.toBeInstanceOf(Fault);
  });
});

describe("what a server announces", () => {
  it("decides what it is asked", () => {
    expect(announcedIn({ prompts: { listChanged: true } })).toMatchObject({
      tools: false,
      prompts: true,
      promptsChange: true,
      resources: false,
    });
    expect(announcedIn({ tools: {}, resources: { subscribe: true } })).toMatchObject({
      tools: true,
      toolsChange: false,
      subscribe: true,
    });
  });

  it("is taken generously when it is nothing or nonsense", () => {
    expect(announcedIn({})).toMatchObject({ tools: true, prompts: false, subscribe: false });
    expect(announcedIn({ tools: true, resources: "yes" })).toMatchObject({ tools: true, resources: false });
    expect(announcedIn(null)).toMatchObject({
      tools: true,
      prompts: true,
      resources: true,
      subscribe: false,
    });
  });
});

describe("what a legacy server sees of a client", () => {
  const seen = (capabilities: unknown): Profile => seenProfile(profileOf(capabilities), "legacy");

  it("is nothing where the client declares only what such a server cannot know", () => {
    for (const capabilities of [{}, { extensions: { "io.modelcontextprotocol/tasks": {} } }, { tasks: {} }]) {
      expect(seen(capabilities).key).toBe(noCapabilities.key);
    }
  });

  it("is the same for clients that differ in changes of roots alone, and all of it for a modern one", () => {
    expect(seen({ roots: { listChanged: true } }).key).toBe(seen({ roots: {} }).key);
    const profile = profileOf({ roots: { listChanged: true } });
    expect(seenProfile(profile, "modern")).toBe(profile);
    expect(seenProfile(profile, "legacy")).toBe(seenProfile(profile, "legacy"));
  });
});

describe("the catalogues of a server that changes while it is listed", () => {
  const profiles = [noCapabilities, profileOf({ elicitation: {} }), profileOf({ sampling: {} })];

  for (const era of ["modern", "legacy"] as const) {
    it(`are in the end what the server offers to each profile, and nothing of another's (${era}, property)`, async () => {
      const step = fc.oneof(
        fc.record({
          kind: fc.constant("change" as const),
          list: fc.constantFrom("tools", "resources", "prompts"),
          needs: fc.constantFrom(null, "elicitation", "sampling"),
        }),
        fc.record({ kind: fc.constant("ask" as const), who: fc.nat(2) }),
        fc.record({ kind: fc.constant("close" as const), who: fc.integer({ min: 1, max: 2 }) }),
        fc.record({ kind: fc.constant("wait" as const) }),
      );
      const run = fc.asyncProperty(fc.scheduler(), fc.array(step, { maxLength: 12 }), async (s, steps) => {
        const clock = new ManualClock();
        const server = new FakeServer(era, clock, () => s.schedule(Promise.resolve()));
        const told = new Map<string, readonly string[]>();
        const stopping = new AbortController();
        const catalogue = new LineCatalogue({
          clock,
          limits: defaultUpstreamLimits,
          links: server.links,
          serverName: () => "box",
          signal: stopping.signal,
          onListed: (profile, { features }) =>
            told.set(profile.key, [
              ...features.tools,
              ...features.resources.map(({ uri }) => String(uri)),
              ...features.prompts.map(({ name }) => String(name)),
            ]),
          onGone: (profile) => told.delete(profile.key),
          onCount: () => undefined,
        });
        // As the line does: one listing of the base at a time, after whatever ran when the change was told.
        const relist = async (): Promise<void> => {
          const deadline = deadlineIn(clock, 1_000);
          const options = { deadline, signal: stopping.signal, mayLackTools: true, onCount: () => undefined };
          catalogue.takeBase(
            await server.base.list(noCapabilities, { ...options, before: catalogue.base() }),
          );
        };
        let listing = relist();
        const asks: Promise<unknown>[] = [];
        await s.waitFor(listing);
        for (const one of steps) {
          if (one.kind === "change") {
            server.offer(one.list, one.needs);
            catalogue.stale();
            listing = listing.then(relist);
          } else if (one.kind === "ask") {
            asks.push(catalogue.ask(profiles[one.who] ?? noCapabilities));
          } else if (one.kind === "close") server.close(profiles[one.who] ?? noCapabilities);
          else await s.waitFor(Promise.allSettled(asks));
        }
        await s.waitFor(Promise.allSettled([listing, ...asks]));
        await s.waitIdle();
        expect(told.get("{}")).toEqual(server.offeredTo(noCapabilities));
        for (const [key, names] of told) {
          const profile = profiles.find((one) => one.key === key) ?? noCapabilities;
          expect(names).toEqual(server.offeredTo(profile));
        }
        // Whoever asks now gets what is there now.
        for (const profile of profiles) {
          await s.waitFor(catalogue.ask(profile));
          expect(told.get(profile.key)).toEqual(server.offeredTo(profile));
        }
        expect(catalogue.size).toBeLessThanOrEqual(profiles.length);
        stopping.abort();
      });
      await fc.assert(run, { numRuns: 150 });
    });
  }
});
