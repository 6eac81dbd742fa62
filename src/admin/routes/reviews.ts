import { instant, object, receipt, text, whole } from "../../api/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { RunId } from "../../ledger/index.ts";
import { endReview, listRuns, releaseRun, runById } from "../../ledger/index.ts";
import { reasonCharactersMax } from "../../runs/index.ts";
import type { House } from "../house.ts";
import { iso } from "../instant.ts";
import { route } from "../route.ts";

const reason = {
  type: "string",
  minLength: 1,
  maxLength: reasonCharactersMax,
  description: "what was looked at; kept with the entry",
} as const;

/** A write each, and the entry beside them. */
const runsPerAct = 256;

/** What the store was brought back to an earlier state leaves for people to decide. */
export const reviewRoutes = [
  route({
    method: "GET",
    path: "/review",
    summary: "Whether the tenant is in review since its data was brought back to an earlier state",
    notes:
      "While it is, runs that were open wait in state `review`, and nothing is done under the name of a run, step or key that is not on record. The runs are listed by `/runs?state=review`.",
    action: "admin.review.show",
    kind: "read",
    answer: object({
      review: {
        oneOf: [
          object({
            since: instant,
            reason: { enum: ["lost", "restored", "short", "forked"] },
            detail: text,
          }),
          { type: "null" },
        ],
        description: "null = it is not",
      },
    }),
    handle: async ({ actor }, house) => {
      const review = house.ledger.review(actor.tenant);
      if (review === null) return ok({ review: null });
      const { since, reason, detail } = review;
      return ok({ review: { since: iso(since), reason, detail } });
    },
  }),
  route({
    method: "POST",
    path: "/review/release",
    summary:
      "End the review: every run that waits in it goes on, and names that are not on record may be used",
    notes:
      "Say so when you know that what was done after the state that the data was brought back to is not done again by this, or may be. What is on record stays as it is; calls whose outcome is unknown are still to be resolved.",
    action: "admin.review.release",
    kind: "act",
    body: object({ reason }),
    example: { reason: "the bank's list of payments was compared with the ledger" },
    answer: object({ runs: { ...whole, description: "how many of them went on" }, receipt }),
    handle: async ({ actor, act, body }, house) => {
      const review = house.ledger.review(actor.tenant);
      if (review === null) return refuse({ code: "conflict", detail: "The tenant is not in review." });
      let released = 0;
      for (;;) {
        const runs = await listRuns(house.store, actor.tenant, { state: "review", limit: runsPerAct });
        const isLast = runs.length < runsPerAct;
        const now = await house.store.now();
        const writes = [...runs.map((run) => releaseRun(run, now)), ...(isLast ? [endReview(review)] : [])];
        const applied = () => {
          for (const run of runs) house.runs.changed(run);
        };
        const note = { reason: body.reason, runs: runs.map(({ run }) => run), isLast };
        const performed = await house.acts.perform(act, null, { writes, value: null, applied }, note);
        if (!performed.ok) return performed;
        released += runs.length;
        if (!isLast) continue;
        await house.ledger.reviewsChanged();
        return ok({ runs: released, receipt: performed.value.receipt });
      }
    },
  }),
  route({
    method: "POST",
    path: "/runs/{run}/release",
    summary: "Let one run that waits in review go on",
    notes:
      "Its steps that are on record come back as they are; the first that is not is done, also if it was done before in the time that the data has lost.",
    action: "admin.run.release",
    kind: "act",
    params: { run: { type: "string", pattern: "^run_[0-9a-z]{26}$", description: "id of a run" } },
    body: object({ reason }),
    example: { reason: "its last payment is on record" },
    answer: object({ run: text, receipt }),
    handle: async ({ actor, act, params, body }, house: House) => {
      const found = await runById(house.store, actor.tenant, params.run as RunId); // the pattern above
      if (found === null) return refuse({ code: "not-found", detail: "There is no such run." });
      if (found.state !== "review")
        return refuse({ code: "conflict", detail: `The run is ${found.state}, not in review.` });
      const writes = [releaseRun(found, await house.store.now())];
      const change = { writes, value: null, applied: () => house.runs.changed(found) };
      const performed = await house.acts.perform(act, found.run, change, { reason: body.reason });
      return performed.ok ? ok({ run: found.run, receipt: performed.value.receipt }) : performed;
    },
  }),
];
