import { expect, test } from "vitest";
import type { Result } from "../base/index.ts";
import { artefactBytesMax, artefactBytesOfRunMax } from "./limits.ts";
import { agent, openRuns, otherAgent, value } from "./runs.fixture.ts";

const codeOf = async (result: Promise<Result<unknown>>): Promise<string> => {
  const found = await result;
  return found.ok ? "ok" : found.refusal.code;
};
const first = { name: "nightly", attempt: 1 };
const page = Buffer.from("%PDF-1.7 …");

async function atWork() {
  const world = await openRuns();
  await value(world.runs.attach(agent, "nightly", { deadlineMs: null }));
  const save = (data: Uint8Array) => world.runs.saveArtefact(agent, first, data);
  return { ...world, save };
}

test("bytes come back as they were, under one name however often they are kept, also after the run's end", async () => {
  const { runs, save } = await atWork();
  const kept = await value(save(page));
  expect(kept).toMatchObject({ bytes: page.length, receipt: { entry: expect.any(String) as string } });
  expect(await value(save(page))).toEqual({ ...kept, receipt: null });
  await value(runs.end(agent, first, { state: "finished", result: kept.digest }));
  const found = await value(runs.readArtefact(agent, "nightly", kept.digest));
  expect(Buffer.from(found?.data ?? []).equals(page)).toBe(true);
});

test("its name tells nothing of the bytes to who has not the run's key, and opens nothing of another run", async () => {
  const { runs, save } = await atWork();
  const { digest } = await value(save(page));
  await value(runs.attach(agent, "daily", { deadlineMs: null }));
  const other = await value(runs.saveArtefact(agent, { name: "daily", attempt: 1 }, page));
  expect(other.digest).not.toBe(digest);
  expect(await value(runs.readArtefact(agent, "daily", digest))).toBeNull();
  expect(await codeOf(runs.readArtefact(otherAgent, "nightly", digest))).toBe("not-found");
});

test("is committed to by an entry, is gone when the run's key is destroyed, and needs the newest attempt", async () => {
  const { runs, save, keys, store, entries } = await atWork();
  const { digest } = await value(save(page));
  const entry = (await entries()).at(-1)?.entry;
  expect(entry).toMatchObject({
    method: "runs/artefact",
    commitments: { content: expect.any(String) as string },
  });
  const { run } = await value(runs.attach(agent, "nightly", { deadlineMs: null }));
  expect(await codeOf(save(Buffer.from("late")))).toBe("stale-attempt");
  const change = await keys.eraseScope(`run/${run.tenant}/${run.run}`);
  await store.commit(change.writes);
  change.applied();
  expect(await codeOf(runs.readArtefact(agent, "nightly", digest))).toBe("erased");
});

test("neither one nor all of a run are larger than their bounds", async () => {
  const { save } = await atWork();
  expect(await codeOf(save(Buffer.alloc(artefactBytesMax + 1)))).toBe("body-too-large");
  const pieces = Math.floor(artefactBytesOfRunMax / artefactBytesMax);
  for (let n = 0; n < pieces; n++) await value(save(Buffer.alloc(artefactBytesMax, n + 1)));
  expect(await codeOf(save(Buffer.alloc(artefactBytesMax, 250)))).toBe("body-too-large");
});
