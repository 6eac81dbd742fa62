import { flag, named, object, objectWith, receipt, text } from "../../api/index.ts";
import { ok } from "../../base/index.ts";
import type { Waited } from "../../runs/index.ts";
import { holdMsMax, reasonCharactersMax, sleepMsMax } from "../../runs/index.ts";
import { route } from "./route.ts";
import { attempt, callersName, escalationKinds, receiptOrNull, run } from "./shapes.ts";

const params = {
  name: run,
  key: callersName("what the agent calls this step; the same one in every attempt"),
} as const;

const waited = named(
  "Wait",
  object({
    state: { enum: ["taken", "timed-out", "waiting"] },
    payload: { description: "what the signal carries; null unless it was taken" },
    leftMs: {
      type: ["integer", "null"],
      description: "until it times out; null = it waits for good, or is over",
    },
    receipt: { ...receiptOrNull, description: "null = it waits" },
  }),
);

/** What a run stands in front of: an instant, or somebody's signal. */
export const waitRoutes = [
  route({
    method: "PUT",
    path: "/runs/{name}/timers/{key}",
    summary: "Set the instant a step wakes up at, or ask how long it is until then",
    notes:
      "The first visit settles the instant, in the store's time; what later ones say of `ms` does not count.",
    action: "own.timer.set",
    kind: "act",
    params,
    body: object({ attempt, ms: { type: "integer", minimum: 0, maximum: sleepMsMax } }),
    example: { attempt: 1, ms: 86_400_000 },
    answer: object({
      leftMs: { type: "integer", description: "until the step wakes up; 0 = it is over" },
      wasRecorded: { ...flag, description: "false = it began with this request" },
      receipt,
    }),
    handle: ({ owner, params, body }, runs) =>
      runs.sleep(owner, { name: params.name, attempt: body.attempt }, { key: params.key, ms: body.ms }),
  }),
  route({
    method: "POST",
    path: "/runs/{name}/waits/{key}",
    summary: "Take a signal for a step, waiting for it if need be",
    notes:
      "Ask again while it answers `waiting`. How long the step waits in all is settled at its first visit. Signals are sent with `POST /runs/{run}/signals/{signal}`.",
    action: "own.signal.take",
    kind: "act",
    params,
    body: objectWith(["attempt", "signal"], {
      attempt,
      signal: callersName("the signal's name"),
      timeoutMs: {
        type: "integer",
        minimum: 0,
        maximum: sleepMsMax,
        description: "left out = as long as the run is open",
      },
      holdMs: {
        type: "integer",
        minimum: 0,
        maximum: holdMsMax,
        description: "how long this request may be held open; left out = it is answered at once",
      },
      escalation: {
        ...object({
          about: { enum: escalationKinds },
          reason: { ...text, minLength: 1, maxLength: reasonCharactersMax },
        }),
        description:
          "what a person is to decide; what their signal may carry, and does, follows from it. Heard at the first visit",
      },
    }),
    example: { attempt: 1, signal: "paid", timeoutMs: 86_400_000, holdMs: 20_000 },
    answer: waited,
    handle: async ({ owner, signal, params, body }, runs) => {
      const found = await runs.wait(
        owner,
        { name: params.name, attempt: body.attempt },
        {
          key: params.key,
          signal: body.signal,
          timeoutMs: body.timeoutMs ?? null,
          escalation: body.escalation ?? null,
        },
        { holdMs: body.holdMs ?? 0, signal },
      );
      return found.ok ? ok(waitView(found.value)) : found;
    },
  }),
];

function waitView(found: Waited) {
  switch (found.state) {
    case "taken":
      return { state: found.state, payload: found.payload, leftMs: null, receipt: found.receipt };
    case "timed-out":
      return { state: found.state, payload: null, leftMs: null, receipt: found.receipt };
    case "waiting":
      return { state: found.state, payload: null, leftMs: found.leftMs, receipt: null };
  }
}
