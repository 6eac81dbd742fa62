import { object, objectWith, text, whole } from "../../api/index.ts";
import type { Result, Sha256Hex } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import { tokensMaxMax } from "../../runs/index.ts";
import { route } from "./route.ts";
import { attempt, callersName, inputDigest, run, step, stepKind } from "./shapes.ts";

const params = {
  name: run,
  key: callersName("what the agent calls this step; the same one in every attempt"),
} as const;

/** What the agent itself produces: looked up before it is done, recorded after. */
export const stepRoutes = [
  route({
    method: "GET",
    path: "/runs/{name}/steps/{key}",
    summary: "Look whether a step is on record, before doing it",
    notes: "Refused as `step-mismatch` when something else is on record under this key.",
    action: "own.step.look",
    kind: "read",
    params,
    query: { attempt, kind: stepKind, input: inputDigest },
    answer: object({ step: { oneOf: [step, { type: "null" }], description: "null = do it now" } }),
    handle: async ({ owner, params, query }, runs) => {
      const { name, key } = params;
      const { attempt, kind, input } = query;
      if (attempt === undefined || kind === undefined) return namesMissing;
      const wanted = { key, kind, input: digestOrNull(input) };
      const found = await runs.lookUp(owner, { name, attempt }, wanted);
      return found.ok ? ok({ step: found.value }) : found;
    },
  }),
  route({
    method: "PUT",
    path: "/runs/{name}/steps/{key}",
    summary: "Record what a step gave",
    notes:
      "The first record counts: when there is one already, it is given back, and what was sent is dropped.",
    action: "own.step.record",
    kind: "act",
    params,
    body: objectWith(["attempt", "kind", "output"], {
      attempt,
      kind: stepKind,
      input: inputDigest,
      output: { description: "any JSON, at most 1 MiB" },
      model: { ...text, maxLength: 200, description: "which model answered" },
      tokens: object({
        input: { ...whole, minimum: 0, maximum: tokensMaxMax },
        output: { ...whole, minimum: 0, maximum: tokensMaxMax },
      }),
    }),
    example: {
      attempt: 1,
      kind: "model",
      output: { text: "Book it." },
      model: "small-1",
      tokens: { input: 812, output: 4 },
    },
    answer: step,
    handle: ({ owner, params, body }, runs) => {
      const { attempt, kind, input, output, model, tokens } = body;
      const note = {
        ...(model === undefined ? {} : { model }),
        ...(tokens === undefined ? {} : { tokens }),
      };
      const { name, key } = params;
      return runs.record(
        owner,
        { name, attempt },
        {
          key,
          kind,
          input: digestOrNull(input),
          output,
          note: (model ?? tokens) ? note : null,
          ...(tokens === undefined || kind !== "model" ? {} : { tokens: tokens.input + tokens.output }),
        },
      );
    },
  }),
];

const namesMissing: Result<never> = refuse({
  code: "invalid-params" as const,
  detail: 'The query parameters "attempt" and "kind" are needed.',
});

/** The pattern of the schema makes it a digest. */
const digestOrNull = (input: string | undefined): Sha256Hex | null =>
  input === undefined ? null : (input as Sha256Hex);
