import { named, object } from "../../api/index.ts";
import { ok } from "../../base/index.ts";
import { route } from "./route.ts";
import { attempt, callersName, receiptOrNull, run, snapshotProperties } from "./shapes.ts";

const params = { name: run, slot: callersName("which memory of the run") } as const;

/** What a run remembers besides its steps: snapshots of named slots. */
export const memoryRoutes = [
  route({
    method: "PUT",
    path: "/runs/{name}/memory/{slot}",
    summary: "Keep something as the newest snapshot of a memory",
    notes:
      "At most 4 MiB. Of each slot the newest 16 are kept; contents like the newest ones are not written again.",
    action: "own.memory.put",
    kind: "act",
    params,
    body: object({ attempt, content: { description: "any JSON" } }),
    example: { attempt: 1, content: [{ role: "user", text: "Book it." }] },
    answer: object({ ...snapshotProperties, receipt: receiptOrNull }),
    handle: ({ owner, params, body }, runs) =>
      runs.saveMemory(owner, { name: params.name, attempt: body.attempt }, params.slot, body.content),
  }),
  route({
    method: "GET",
    path: "/runs/{name}/memory/{slot}",
    summary: "Read the newest snapshot of a memory, or an older one by its digest",
    action: "own.memory.get",
    kind: "read",
    params,
    query: {
      digest: {
        type: "string",
        pattern: "^[0-9a-f]{64}$",
        description: "as it was answered when it was kept",
      },
    },
    answer: object({
      memory: {
        oneOf: [named("Memory", object({ ...snapshotProperties, content: {} })), { type: "null" }],
        description: "null = nothing is kept there",
      },
    }),
    handle: async ({ owner, params, query }, runs) => {
      const found = await runs.readMemory(owner, params.name, params.slot, query.digest ?? null);
      return found.ok ? ok({ memory: found.value }) : found;
    },
  }),
];
