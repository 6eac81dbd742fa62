import { object, objectWith, text } from "../../api/index.ts";
import { ok } from "../../base/index.ts";
import type { RunId } from "../../runs/index.ts";
import {
  aliveForMs,
  childrenMax,
  deadlineMsMax,
  reasonCharactersMax,
  sleepMsMax,
  tokensMaxMax,
} from "../../runs/index.ts";
import { route } from "./route.ts";
import { attached, attempt, callersName, end, run, runIdPattern, runState } from "./shapes.ts";
import { stateView } from "./state-view.ts";

const params = { name: run } as const;

/** The run as a whole: beginning to work on it, saying that one lives, looking at it, ending it. */
export const runRoutes = [
  route({
    method: "POST",
    path: "/runs/{name}/attach",
    summary: "Begin to work on a run, as its newest attempt",
    notes:
      "Makes the run when there is none; an older attempt's requests are refused from now on. A run that has ended stays as it is and says how.",
    action: "own.run.attach",
    kind: "act",
    params,
    body: objectWith([], {
      deadlineMs: {
        type: "integer",
        minimum: 1_000,
        maximum: deadlineMsMax,
        description:
          "how long after its beginning the run fails if it is still open; heard at the first attach; left out = 400 days",
      },
      tokensMax: {
        type: "integer",
        minimum: 1,
        maximum: tokensMaxMax,
        description:
          "tokens that its model steps may use before the next one is refused; heard at the first attach. Only a person raises it",
      },
      hook: callersName("what starts the agent again when it has died; heard at the first attach"),
    }),
    example: { deadlineMs: 3_600_000 },
    answer: attached,
    handle: async ({ owner, params, body }, runs) => {
      const found = await runs.attach(owner, params.name, {
        deadlineMs: body.deadlineMs ?? null,
        hook: body.hook ?? null,
        tokensMax: body.tokensMax ?? null,
      });
      if (!found.ok) return found;
      const { run, isNew } = found.value;
      return ok({
        run: run.run,
        name: run.name,
        attempt: run.attempt,
        state: run.state,
        isNew,
        aliveForMs: run.state === "open" ? aliveForMs : 0,
        tokens: { used: run.tokensUsed, max: run.tokensMax },
        end: await runs.endOf(run),
      });
    },
  }),
  route({
    method: "POST",
    path: "/runs/{name}/alive",
    summary: "Say that the agent still works on its run",
    notes:
      "Leaves no entry. Refused as soon as another attempt was attached or the run has ended: stop then.",
    action: "own.run.say-alive",
    kind: "act",
    params,
    body: object({ attempt }),
    example: { attempt: 1 },
    answer: object({ aliveForMs: attached.properties.aliveForMs }),
    handle: async ({ owner, params, body }, runs) => {
      const alive = await runs.alive(owner, { name: params.name, attempt: body.attempt });
      return alive.ok ? ok({ aliveForMs: alive.value }) : alive;
    },
  }),
  route({
    method: "POST",
    path: "/runs/{name}/rest",
    summary: "Say that the agent ends its process until something it waits for has come",
    notes:
      "Its hook starts it again when a timer is due or a signal has come. Refused for a run that names no hook.",
    action: "own.run.rest",
    kind: "act",
    params,
    body: objectWith(["attempt"], {
      attempt,
      wakeInMs: {
        type: "integer",
        minimum: 0,
        maximum: sleepMsMax,
        description: "no later than so; left out = when what it waits for says so",
      },
      children: {
        type: "array",
        maxItems: childrenMax,
        items: { type: "string", pattern: runIdPattern },
        description:
          "ids of runs that it has started and not heard the end of: it is woken when one of them ends",
      },
    }),
    example: { attempt: 1, wakeInMs: 3_600_000 },
    answer: object({ isAtRest: { const: true } }),
    handle: async ({ owner, params, body }, runs) => {
      const speaker = { name: params.name, attempt: body.attempt };
      const children = (body.children ?? []) as readonly RunId[]; // the pattern above
      const rested = await runs.rest(owner, speaker, { wakeInMs: body.wakeInMs ?? null, children });
      return rested.ok ? ok({ isAtRest: true as const }) : rested;
    },
  }),
  route({
    method: "GET",
    path: "/runs/{name}/state",
    summary: "Show how a run of one's own stands",
    action: "own.run.look",
    kind: "read",
    params,
    answer: runState,
    handle: async ({ owner, params }, runs) => {
      const found = await runs.find(owner, params.name);
      if (!found.ok) return found;
      const now = await runs.now();
      const waits = await runs.standing(found.value, now);
      return ok(stateView(found.value, waits, await runs.endOf(found.value), now));
    },
  }),
  route({
    method: "POST",
    path: "/runs/{name}/end",
    summary: "Say that a run is finished, or has failed",
    notes: "The first end counts and is given back to whoever says it again.",
    action: "own.run.end",
    kind: "act",
    params,
    body: {
      oneOf: [
        objectWith(["attempt", "state"], {
          attempt,
          state: { const: "finished" },
          result: { description: "any JSON, at most 1 MiB; left out = null" },
        }),
        object({
          attempt,
          state: { const: "failed" },
          reason: { ...text, minLength: 1, maxLength: reasonCharactersMax },
        }),
      ],
      description: "how the run ends: finished with a result, or failed with a reason",
    },
    example: { attempt: 1, state: "finished", result: { booked: 3 } },
    answer: end,
    handle: async ({ owner, params, body }, runs) => {
      const speaker = { name: params.name, attempt: body.attempt };
      return body.state === "finished"
        ? runs.end(owner, speaker, { state: "finished", result: body.result ?? null })
        : runs.end(owner, speaker, { state: "failed", reason: body.reason });
    },
  }),
];
