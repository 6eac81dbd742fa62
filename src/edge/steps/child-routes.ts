import { childFates } from "../../../contract/index.ts";
import { flag, object, objectWith, receipt, text } from "../../api/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { RunId } from "../../runs/index.ts";
import { deadlineMsMax, holdMsMax } from "../../runs/index.ts";
import { route } from "./route.ts";
import { attempt, callersName, endOrNull, run, runIdPattern } from "./shapes.ts";

const params = {
  name: run,
  key: callersName("what the agent calls this step; the same one in every attempt"),
} as const;

const child = {
  run: text,
  name: { type: "string", description: "of the run and the step that started it" },
  end: endOrNull,
} as const;

/** Runs that a run starts from a step of its own, and waits for. */
export const childRoutes = [
  route({
    method: "POST",
    path: "/runs/{name}/children/{key}",
    summary: "Start a run of a hosted agent from a step, or find the one that it has started",
    notes:
      "The child acts as its parent does: as the same agent, with the same rights. It ends at its parent's deadline at the latest. Refused as `step-mismatch` when the step has started another agent, or the same with another input.",
    action: "own.child.start",
    kind: "act",
    params,
    body: objectWith(["attempt", "agent"], {
      attempt,
      agent: { ...text, minLength: 1, maxLength: 128, description: "a hosted agent of the configuration" },
      input: { description: "what the agent is given: any JSON, at most 1 MiB; left out = null" },
      deadlineMs: {
        type: "integer",
        minimum: 1_000,
        maximum: deadlineMsMax,
        description:
          "how long from now the child fails if it is still open; heard at its start; left out = 400 days, or as its parent",
      },
      atParentEnd: {
        enum: childFates,
        description:
          "what becomes of it when it is open at its parent's end: `cancel` (left out), or `leave`; heard at its start",
      },
    }),
    example: { attempt: 1, agent: "clerk", input: { invoice: "2026-0417" } },
    answer: object({
      ...child,
      wasRecorded: { ...flag, description: "false = it was started by this very request" },
      receipt,
    }),
    handle: ({ owner, params, body }, runs) =>
      runs.startChild(
        owner,
        { name: params.name, attempt: body.attempt },
        {
          key: params.key,
          agent: body.agent,
          input: body.input ?? null,
          deadlineMs: body.deadlineMs ?? null,
          atParentEnd: body.atParentEnd ?? "cancel",
        },
      ),
  }),
  route({
    method: "GET",
    path: "/runs/{name}/children/{key}",
    summary: "Wait for the end of a run that a step has started",
    notes: "Ask again while `end` is null.",
    action: "own.child.await",
    kind: "read",
    params,
    query: {
      attempt,
      child: { type: "string", pattern: runIdPattern, description: "its id, as its start was answered" },
      holdMs: {
        type: "integer",
        minimum: 0,
        maximum: holdMsMax,
        description: "how long this request may be held open; left out = it is answered at once",
      },
    },
    answer: object(child),
    handle: async ({ owner, signal, params, query }, runs) => {
      const { attempt, child, holdMs } = query;
      if (attempt === undefined || child === undefined)
        return refuse({
          code: "invalid-params",
          detail: 'The query parameters "attempt" and "child" are needed.',
        });
      const speaker = { name: params.name, attempt };
      const found = await runs.awaitChild(owner, speaker, child as RunId, { holdMs: holdMs ?? 0, signal }); // the pattern above
      return found.ok ? ok(found.value) : found;
    },
  }),
];
