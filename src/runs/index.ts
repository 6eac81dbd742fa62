/**
 * runs: serves runs, whose reasoning lives in a process of its own: attaching, what the agent itself produces under a step, timers,
 * signals, memory, the run's end. Tool calls of a run go the governed line in `calls` and meet here only in the journal: one claim per step, whoever makes
 * it. Knows no MCP and no HTTP.
 *
 * A run: open, then finished, failed or cancelled, each with its entry; or dead, when it cannot go on by itself, until a person has it retried
 * or drops it. An attach raises its attempt; whatever an older attempt still
 * sends is refused, also when both arrive at once, because every write proves the attempt. A local step: looked up, done by the agent,
 * recorded in one transaction; the first record counts. A timer: its instant on record at the first visit. A signal: kept until a step
 * takes it, which is one transaction. Memory: snapshots of named slots, sealed, the newest few of each.
 *
 * The waker starts agents again by their hooks, which `app` makes from the configuration: a program, a webhook, or a hosted agent, which is
 * driven in a child process of ours (`hosted/`). A hosted run is like any other: what drives it asks over HTTP for everything, keeps nothing
 * while it waits, and is started again from the journal. It is pinned to the version of its agent that it began with.
 *
 * Identities: step ids (`step_…`), event ids (`evt_…`); run ids are the ledger's. Bounds: limits.ts names them all. Errors: refusals
 * `not-found`, `run-ended`, `stale-attempt`, `step-mismatch`, `erased`, `body-too-large`, `conflict`; Faults of store and keys.
 * Signals: none.
 */
export { Runs } from "./runs.ts";
export type { AttachWishes, Attached } from "./attach.ts";
export { dropWrites } from "./dead.ts";
export type { RunAct } from "./dead.ts";
export type { Child, ChildWishes, StartedChild } from "./child.ts";
export { Deadlines } from "./deadlines.ts";
export { decisionWrites, raiseWrites } from "./escalations.ts";
export type { Ended, Ending } from "./end.ts";
export { endingWrites } from "./end.ts";
export type { House as RunsOptions } from "./house.ts";
export {
  aliveForMs,
  childrenMax,
  deadlineMsMax,
  holdMsMax,
  memoryBytesMax,
  reasonCharactersMax,
  sleepMsMax,
  tokensMaxMax,
} from "./limits.ts";
export type { LocalStep, StepIdentity } from "./local-step.ts";
export type { RecordedStep } from "./recorded-step.ts";
export type { RunId, RunRecord } from "../ledger/index.ts";
export { holdOpenRuns } from "./review.ts";
export { signalWrites } from "./signals.ts";
export { runsTables } from "./tables.ts";
export type { Waited } from "./wait.ts";
export type { RunAsks, Standing } from "./waits.ts";
export type { Hook, StartOrder } from "./hook.ts";
export { CommandHook } from "./hooks/command.ts";
export { HostedAgent, renewEveryMs } from "./hosted/hosted-agent.ts";
export type { Retries } from "./retries.ts";
export { forkRun } from "./fork.ts";
export { startRun } from "./start.ts";
export { KubernetesHook } from "./hooks/kubernetes.ts";
export type { JobTemplate } from "./hooks/kubernetes-job.ts";
export { jobProblem } from "./hooks/kubernetes-job.ts";
export { Orphans } from "./orphans.ts";
export { WebhookHook } from "./hooks/webhook.ts";
export { Waker } from "./waker.ts";
export type { Speaker } from "./open-run.ts";
