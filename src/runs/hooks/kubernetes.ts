import type { Clock } from "../../base/index.ts";
import { deadlineIn } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { AddressScope, HttpPool, HttpResponse, Net } from "../../net/index.ts";
import { NetFailure } from "../../net/index.ts";
import type { Hook, StartOrder } from "../hook.ts";
import { startFailed, startRefused } from "../hook.ts";
import type { JobTemplate } from "./kubernetes-job.ts";
import { jobOf } from "./kubernetes-job.ts";

export interface KubernetesHookOptions {
  readonly startsMax: number;
  readonly attachWithinMs: number;
  readonly isFor: (owner: Principal) => boolean;
  /** Of the API server: https, without a path. */
  readonly server: URL;
  readonly namespace: string;
  readonly job: JobTemplate;
  /** Asked for with every request: a service account's token is replaced every hour. */
  readonly token: () => Promise<string>;
  /** PEM, asked for with every connection that is made anew after one was not trusted; null = Node's own authorities. */
  readonly ca: () => Promise<string | null>;
  readonly net: Net;
  readonly allow: readonly AddressScope[];
  readonly clock: Clock;
}

/** An API server answers in milliseconds; one that does not in ten seconds is asked once more. */
const requestMs = 10_000;
const requestsMax = 2;
/** A Job with all that admission adds to it. We ask for its metadata alone, which older proxies may not know. */
const answerBytesMax = 1_048_576;
/** Starts come a few at a time. */
const connectionsMax = 4;
const messageCharactersMax = 500;

const plainHeaders = ["content-type", "application/json", "user-agent", "signalbox"];
const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json";

/**
 * Starts an agent as a Kubernetes Job. The name of the Job names the start, so one whose answer was lost is asked for again without a second
 * Job: `AlreadyExists` is as good as created. What becomes of the Job is seen by the agent's attaching alone, and stopping the node ends none.
 */
export class KubernetesHook implements Hook {
  readonly startsMax: number;
  readonly attachWithinMs: number;
  readonly room = Infinity;
  private readonly options: KubernetesHookOptions;
  private opening: Promise<HttpPool> | null = null;

  constructor(options: KubernetesHookOptions) {
    this.options = options;
    this.startsMax = options.startsMax;
    this.attachWithinMs = options.attachWithinMs;
  }

  isFor(owner: Principal): boolean {
    return this.options.isFor(owner);
  }

  async start(order: StartOrder): Promise<void> {
    const { namespace, job, server } = this.options;
    const body = JSON.stringify(jobOf(job, order, namespace));
    for (let request = 1; ; request++) {
      try {
        return settle(await this.post(body), server);
      } catch (thrown) {
        if (!(thrown instanceof NetFailure)) throw thrown;
        // The authority may have been replaced: the next connection reads it anew.
        if (thrown.kind === "tls") await this.stop();
        if (request === requestsMax) throw startFailed(`${server.origin}: ${thrown.kind}: ${thrown.message}`);
      }
    }
  }

  /** Jobs go on: their agents say by themselves that they live. */
  async stop(): Promise<void> {
    const opened = this.opening;
    this.opening = null;
    await (await opened?.catch(() => null))?.close();
  }

  private async post(body: string): Promise<HttpResponse> {
    const { namespace, clock, token } = this.options;
    const bearer = await token();
    return (await this.pool()).request({
      method: "POST",
      path: `/apis/batch/v1/namespaces/${namespace}/jobs`,
      headers: ["authorization", `Bearer ${bearer}`, "accept", accept, ...plainHeaders],
      body,
      deadline: deadlineIn(clock, requestMs),
      signal: null,
      responseBytesMax: answerBytesMax,
    });
  }

  private pool(): Promise<HttpPool> {
    const { net, server, allow, ca } = this.options;
    this.opening ??= ca().then((pem) =>
      net.openPool({ url: server, allow, connectionsMax, ...(pem === null ? {} : { ca: pem }) }),
    );
    this.opening.catch(() => (this.opening = null));
    return this.opening;
  }
}

/** Throws why there is no Job: for good where the template or the namespace is wrong, for now where it is about load, rights or tokens. */
function settle({ status, body }: HttpResponse, server: URL): void {
  if (status >= 200 && status < 300) return;
  const { reason, message } = statusOf(body);
  // Another 409, "Conflict", is a quota that others changed at the same moment: there is no Job.
  if (status === 409 && reason === "AlreadyExists") return;
  const said = `${server.origin} answered ${status}${message === null ? "" : `: ${message}`}`;
  switch (status) {
    case 400:
    case 404:
    case 405:
    case 413:
    case 415:
    case 422:
      throw startRefused(said);
    default:
      throw startFailed(said);
  }
}

/** Of a `Status` object; what is none says nothing. */
function statusOf(body: Buffer): { readonly reason: string | null; readonly message: string | null } {
  try {
    const { reason, message } = JSON.parse(body.toString("utf8")) as Readonly<Record<string, unknown>>;
    return {
      reason: typeof reason === "string" ? reason : null,
      message: typeof message === "string" ? message.slice(0, messageCharactersMax) : null,
    };
  } catch {
    return { reason: null, message: null };
  }
}
