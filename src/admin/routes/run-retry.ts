import { object, objectWith, receipt, text } from "../../api/index.ts";
import { ok } from "../../base/index.ts";
import { deadlineMsMax, dropWrites, reasonCharactersMax } from "../../runs/index.ts";
import { route } from "../route.ts";
import { params, runOf } from "./runs.ts";

/** What a person does with a run that stands still: the dead ones are listed by `GET /runs?state=dead`. */
export const runRetryRoutes = [
  route({
    method: "POST",
    path: "/runs/{run}/resume",
    summary: "Have an open run whose agent is away go on now",
    notes:
      "Due at once, whatever it rests for and however long its pause after a loss is; its agent looks by itself whether what it waits for has come. Refused where nothing starts its agent.",
    action: "admin.run.resume",
    kind: "act",
    params,
    answer: object({ run: text, receipt }),
    handle: async ({ actor, act, params }, house) => {
      const found = await runOf(house, actor, params.run);
      if (!found.ok) return found;
      const writes = await house.runs.resumeWrites(found.value);
      if (!writes.ok) return writes;
      const applied = () => house.runs.changed(found.value);
      const change = { writes: writes.value, value: null, applied };
      const performed = await house.acts.perform(act, params.run, change, { name: found.value.name });
      return performed.ok ? ok({ run: params.run, receipt: performed.value.receipt }) : performed;
    },
  }),
  route({
    method: "POST",
    path: "/runs/{run}/retry",
    summary: "Have a dead run tried again: it goes on where it stood",
    notes:
      "The same run, with its steps on record; its starts and losses are counted anew. Of two who do so at once one gets `conflict`.",
    action: "admin.run.retry",
    kind: "act",
    params,
    body: objectWith([], {
      deadlineMs: {
        type: "integer",
        minimum: 1_000,
        maximum: deadlineMsMax,
        description:
          "how long from now the run fails if it is still open; left out = its deadline stays, and where that has passed the retry is refused",
      },
    }),
    example: {},
    answer: object({ run: text, entry: text, receipt }),
    handle: async ({ actor, act, params, body }, house) => {
      const found = await runOf(house, actor, params.run);
      if (!found.ok) return found;
      const deadlineMs = body.deadlineMs ?? null;
      const retried = await house.runs.retryWrites(actor, found.value, deadlineMs);
      if (!retried.ok) return retried;
      const applied = () => house.runs.changed(found.value);
      const change = { writes: retried.value.writes, value: null, applied };
      const note = { name: found.value.name, was: found.value.deadReason, deadlineMs };
      const performed = await house.acts.perform(act, params.run, change, note);
      if (!performed.ok) return performed;
      const { entry } = retried.value.receipt;
      return ok({ run: params.run, entry, receipt: performed.value.receipt });
    },
  }),
  route({
    method: "POST",
    path: "/runs/{run}/drop",
    summary: "Give a dead run up: it has failed",
    notes: "Final. Another run can go on from its steps: fork it.",
    action: "admin.run.drop",
    kind: "act",
    params,
    body: object({
      reason: {
        type: "string",
        minLength: 1,
        maxLength: reasonCharactersMax,
        description: "kept with the entry of its end",
      },
    }),
    example: { reason: "the invoice was paid by hand" },
    answer: object({ run: text, entry: text, receipt }),
    handle: async ({ actor, act, params, body }, house) => {
      const found = await runOf(house, actor, params.run);
      if (!found.ok) return found;
      const dropped = await dropWrites(actor, found.value, body.reason, house);
      if (!dropped.ok) return dropped;
      const applied = () => house.runs.changed(found.value);
      const change = { writes: dropped.value.writes, value: null, applied };
      const note = { reason: body.reason, was: found.value.deadReason };
      const performed = await house.acts.perform(act, params.run, change, note);
      if (!performed.ok) return performed;
      const { entry } = dropped.value.receipt;
      return ok({ run: params.run, entry, receipt: performed.value.receipt });
    },
  }),
];
