import type { IncomingMessage, ServerResponse } from "node:http";
import type { Match } from "../../api/index.ts";
import {
  BodyReader,
  Matcher,
  apiPrefix,
  bearerToken,
  checkParams,
  readQuery,
  sendAnswer,
  sendFailure,
} from "../../api/index.ts";
import type { Clock, Random, Result } from "../../base/index.ts";
import { explain, faultFrom, newId, refuse } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import { isInScope } from "../../identity/index.ts";
import { memoryBytesMax } from "../../runs/index.ts";
import type { Runs } from "../../runs/index.ts";
import type { Log, Metrics } from "../../telemetry/index.ts";
import type { HolderOf } from "../options.ts";
import type { StepRoute } from "./route.ts";
import { ownRoutes } from "./routes.ts";

/** The largest snapshot and the little around it. */
const bodyBytesMax = memoryBytesMax + 4_096;

export interface StepEndpointOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly holderOf: HolderOf;
  readonly runs: Runs;
}

/** What agents do with their own runs, under /api/v1/runs/{name}/. Everything else under /api/v1 is not ours. */
export class StepEndpoint {
  private readonly options: StepEndpointOptions;
  private readonly matcher = new Matcher(ownRoutes);
  private readonly bodies = new BodyReader(bodyBytesMax);

  constructor(options: StepEndpointOptions) {
    this.options = options;
  }

  /** False = this path is none of ours, and nothing was done. Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const url = request.url ?? "/";
    if (!url.startsWith(`${apiPrefix}/runs/`)) return false;
    const mark = url.indexOf("?");
    const path = mark === -1 ? url : url.slice(0, mark);
    const matched = this.matcher.match(request.method ?? "", path);
    if (!matched.ok && matched.refusal.code === "not-found") return false;
    const { clock, random, log, metrics } = this.options;
    const id = newId("req", clock.wall(), random);
    response.once("finish", () => metrics.countEdgeRequest("steps", response.statusCode));
    try {
      const answer = matched.ok
        ? await this.answer(request, response, matched.value, mark === -1 ? "" : url.slice(mark + 1))
        : matched;
      if (answer === null) return true; // the caller went away
      if (answer.ok) sendAnswer(response, json, JSON.stringify(answer.value));
      else sendFailure(response, answer.refusal, id);
      if (!answer.ok) metrics.countEdgeRefusal(answer.refusal.code);
    } catch (thrown) {
      const fault = faultFrom(thrown, `answering ${request.method} ${path}`);
      log.error("a step could not be answered", { path, reason: explain(thrown), error: thrown });
      const { code, effect, retry } = fault;
      sendFailure(
        response,
        { code, detail: "", effect: request.method === "GET" ? "none" : effect, retry },
        id,
      );
    }
    return true;
  }

  private async answer(
    request: IncomingMessage,
    response: ServerResponse,
    { route, params }: Match<StepRoute>,
    queryText: string,
  ): Promise<Result<unknown> | null> {
    const entering = await this.authenticated(request);
    if (!entering.ok) return entering;
    const checked = checkParams(params, route);
    if (!checked.ok) return checked;
    const query = readQuery(queryText, route);
    if (!query.ok) return query;
    const body = await this.bodies.read(request, route);
    if (body === null || !body.ok) return body;
    // A body may be a minute under way, and its sender not be who it was any more.
    const owner = route.body === null ? entering : await this.authenticated(request);
    if (!owner.ok) return owner;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const input = { params, query: query.value, body: body.value, owner: owner.value, signal: gone.signal };
    // The schemas that gave the handler its types have just been checked.
    return route.handle(input as never, this.options.runs);
  }

  /** The steps of a run are where its calls are: a token that may not call may not do these either. */
  private async authenticated(request: IncomingMessage): Promise<Result<Principal>> {
    const token = bearerToken(request.headers.authorization);
    if (!token.ok) return token;
    const found = await this.options.holderOf(token.value)();
    if (!found.ok || isInScope(found.value, "mcp:call")) return found;
    return refuse({
      code: "forbidden",
      detail: "The token is limited to other things; this needs the scope mcp:call.",
      evidence: { scope: "mcp:call" },
    });
  }
}

const json = { status: 200, type: "application/json", isPublic: false } as const;
