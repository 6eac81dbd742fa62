import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ArtefactRef } from "../../sdk/index.ts";
import { connect } from "../../sdk/index.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";

let directory: string;
let node: NodeProcess;
beforeAll(async () => {
  directory = newDirectory();
  node = await NodeProcess.start({ directory, yaml: "servers: {}\n" });
});
afterAll(async () => {
  await node.stop();
  removeDirectory(directory);
});

test("a step's large artefact is a reference on record, and the bytes are there after the node was killed", async () => {
  const film = randomBytes(7 * 1_048_576);
  const made: string[] = [];
  const work = (dies: boolean) =>
    connect({ url: node.url, token: node.agentToken }).run("film", async (step) => {
      const ref = await step.value<ArtefactRef>("cut", () => {
        made.push("cut");
        return step.artefacts.put(film, "video/mp4");
      });
      if (dies) throw new Error("the process dies");
      const bytes = await step.artefacts.get(ref);
      return { type: ref.type, pieces: ref.artefact.length, same: bytes !== null && film.equals(bytes) };
    });
  await expect(work(true)).rejects.toThrow("the process dies");
  await node.kill9();
  node = await NodeProcess.start({ directory, yaml: "servers: {}\n" });
  expect(await work(false)).toEqual({ type: "video/mp4", pieces: 3, same: true });
  expect(made).toEqual(["cut"]);
});

test("what is no base64 is refused, and so is what nobody keeps", async () => {
  const own = async (path: string, body?: unknown) => {
    const response = await fetch(`${node.url}/api/v1/runs/film/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${node.agentToken}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  expect((await own("artefacts", { attempt: 2, data: "aGVsbG8" })).status).toBe(400);
  expect(await own(`artefacts/${"0".repeat(64)}`)).toEqual({ status: 200, body: { artefact: null } });
});
