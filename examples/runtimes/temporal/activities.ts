import { Final, callTool } from "../dbos/tools.ts";

/**
 * Activities of Temporal whose tools stand behind Signalbox. Temporal says when an activity is done again, and Signalbox that it is done once.
 * This file has no dependency on Temporal: a worker hands its own in.
 *
 *     import { ApplicationFailure, activityInfo } from "@temporalio/activity";
 *     const activities = activitiesFor({ activityInfo, nonRetryable: (message) => ApplicationFailure.nonRetryable(message) });
 *     const worker = await Worker.create({ activities, … });
 */
export interface Temporal {
  readonly activityInfo: () => ActivityPlace;
  readonly nonRetryable: (message: string) => Error;
}

/** What of Temporal's `activityInfo()` names a call: the same at every attempt of the activity. */
export interface ActivityPlace {
  readonly activityId: string;
  /** Left out = the activity belongs to no workflow. */
  readonly workflowExecution?: { readonly workflowId: string; readonly runId: string };
}

export interface Invoice {
  readonly to: string;
  readonly amount: number;
}

export const activitiesFor = ({ activityInfo, nonRetryable }: Temporal) => ({
  async pay({ to, amount }: Invoice): Promise<string> {
    try {
      return await callTool({ ...namesOf(activityInfo()), name: "bank__pay", args: { to, amount } });
    } catch (thrown) {
      throw thrown instanceof Final ? nonRetryable(thrown.message) : thrown;
    }
  },
});

/** Activities are numbered anew in each run of a workflow, so the run's id is part of the name. */
function namesOf({ workflowExecution, activityId }: ActivityPlace): {
  readonly run: string;
  readonly step: string;
} {
  if (workflowExecution === undefined) throw new Error("this activity belongs to no workflow");
  const { workflowId, runId } = workflowExecution;
  return { run: `${workflowId}.${runId}`, step: `activity-${activityId}` };
}
