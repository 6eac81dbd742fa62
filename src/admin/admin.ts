import type { IncomingMessage, ServerResponse } from "node:http";
import type { CancelTimer, Result } from "../base/index.ts";
import { Fault, faultFrom, newId, ok, refuse } from "../base/index.ts";
import { RefusalBound } from "../calls/index.ts";
import type { Principal } from "../identity/index.ts";
import { isInScope } from "../identity/index.ts";
import type { Act } from "./act.ts";
import { Acts } from "./act.ts";
import {
  BodyReader,
  Matcher,
  bearerToken,
  checkParams,
  readQuery,
  sendAnswer,
  sendFailure,
  sendStream,
} from "../api/index.ts";
import type { House, Rooms } from "./house.ts";
import type { Failure, Match } from "../api/index.ts";
import { OAuthCallback } from "./oauth-callback.ts";
import type { GatedRoute, Route } from "./route.ts";
import { routes } from "./routes.ts";

/** Refusals beyond a principal's bound are counted and written this often. */
const summaryEveryMs = 5_000;

/** A policy set of 2,000 policies is about 800 KB, and nothing else comes near. */
const bodyBytesMax = 1_048_576;

/** The HTTP API: match, authenticate, read and check, authorise, act. See index.ts. */
export class Admin {
  /** Where browsers come back to; not part of the API. */
  readonly callback: OAuthCallback;
  private readonly house: House;
  private readonly matcher = new Matcher(routes);
  private readonly bodies = new BodyReader(bodyBytesMax);
  private readonly refusals: RefusalBound;
  private cancelSummary: CancelTimer | null = null;
  private isRunning = false;

  constructor(rooms: Rooms) {
    this.house = { ...rooms, acts: new Acts(rooms), backups: { isUnderWay: false } };
    this.callback = new OAuthCallback(this.house);
    this.refusals = new RefusalBound(rooms.clock);
  }

  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.summarise();
  }

  /** Writes what was only counted. */
  async stop(): Promise<void> {
    this.isRunning = false;
    this.cancelSummary?.();
    this.cancelSummary = null;
    await this.writeSummaries(true);
  }

  /** Answers one request under /api/v1. Never rejects. Host and Origin are the mounting server's to check. */
  async handle(request: IncomingMessage, response: ServerResponse, requestId?: string): Promise<void> {
    const { clock, random } = this.house;
    const id = requestId ?? newId("req", clock.wall(), random);
    const url = request.url ?? "/";
    const mark = url.indexOf("?");
    const path = mark === -1 ? url : url.slice(0, mark);
    const query = mark === -1 ? "" : url.slice(mark + 1);
    try {
      const matched = this.matcher.match(request.method ?? "", path);
      if (!matched.ok) return sendFailure(response, matched.refusal, id);
      const answer = await this.answer(request, matched.value, query);
      if (answer === null) return; // the caller went away
      if (!answer.ok) return sendFailure(response, answer.refusal, id);
      const { route } = matched.value;
      if (route.answer.type === "application/octet-stream")
        return await sendStream(response, answer.value as AsyncIterable<Uint8Array>); // what its handler made
      const body = route.answer.type === "text/plain" ? String(answer.value) : JSON.stringify(answer.value);
      sendAnswer(response, { ...route.answer, isPublic: route.action === "public" }, body);
    } catch (thrown) {
      const doing = `answering ${request.method} ${path}`;
      if (!(thrown instanceof Fault) || thrown.code === "internal") this.house.onTrouble(doing, thrown);
      sendFailure(response, failureFrom(faultFrom(thrown, doing), request.method), id);
    }
  }

  private async answer(
    request: IncomingMessage,
    { route, params }: Match<Route>,
    queryText: string,
  ): Promise<Result<unknown> | null> {
    if (route.action === "public") return ok(route.show());
    const authenticated = await this.authenticate(request);
    if (!authenticated.ok) return authenticated;
    const checked = checkParams(params, route);
    if (!checked.ok) return checked;
    const query = readQuery(queryText, route);
    if (!query.ok) return query;
    const body = await this.bodies.read(request, route);
    if (body === null || !body.ok) return body;
    // A body may be a minute under way, and its sender not be who it was any more.
    const actor = route.body === null ? authenticated : await this.authenticate(request);
    if (!actor.ok) return actor;
    return this.govern(route, actor.value, { params, query: query.value, body: body.value });
  }

  private authenticate(request: IncomingMessage): Result<Principal> | Promise<Result<Principal>> {
    const token = bearerToken(request.headers.authorization);
    return token.ok ? this.house.identities.authenticate(token.value) : token;
  }

  /** What is well-formed and authenticated leaves an entry when it is an act, and whenever it is refused by policy. */
  private async govern(
    route: GatedRoute,
    actor: Principal,
    input: {
      readonly params: Readonly<Record<string, string>>;
      readonly query: Readonly<Record<string, unknown>>;
      readonly body: unknown;
    },
  ): Promise<Result<unknown>> {
    const decision = this.house.policies.current(actor.tenant).decide({
      principal: actor,
      action: route.action,
      resource: { type: "Tenant", id: actor.tenant },
      context: {},
    });
    const act: Act = { actor, action: route.action, decision };
    if (!isInScope(actor, "admin")) {
      const detail = "The token is limited to other things than administration.";
      const refusal = { code: "forbidden", detail, evidence: { scope: "admin" } } as const;
      await this.recordRefusal(act, refusal, input);
      return refuse(refusal);
    }
    if (decision.effect !== "allow") {
      const code = decision.effect === "approve" ? "approval-needed" : "forbidden";
      const refusal = { code, detail: decision.why, evidence: { errors: decision.errors } } as const;
      await this.recordRefusal(act, refusal, input);
      return refuse(refusal);
    }
    // The schemas that gave the handler its types have just been checked.
    const result = await route.handle({ ...input, actor, act } as never, this.house);
    if (!result.ok && route.kind === "act") await this.recordRefusal(act, result.refusal, input);
    return result;
  }

  /** A refusal stands even when the ledger cannot be written: it had no effect. The body may hold secrets and stays out. */
  private async recordRefusal(
    act: Act,
    refusal: Failure,
    { params, query }: { readonly params: object; readonly query: object },
  ): Promise<void> {
    if (!this.refusals.admits(act.actor)) return;
    try {
      await this.house.acts.recordRefusal(act, refusal, { params, query });
    } catch (thrown) {
      this.house.onTrouble(`recording that ${act.action} was refused`, thrown);
    }
  }

  private summarise(): void {
    this.cancelSummary = this.house.clock.after(summaryEveryMs, () => {
      void this.writeSummaries(false).finally(() => {
        if (this.isRunning) this.summarise();
      });
    });
  }

  private async writeSummaries(all: boolean): Promise<void> {
    for (const summary of this.refusals.close(all)) {
      try {
        await this.house.acts.recordSummary(summary);
      } catch (thrown) {
        this.house.onTrouble(`recording ${summary.refusals} counted refusals`, thrown);
      }
    }
  }
}

/** The caller is an operator: it hears what broke, except where that is a bug of ours. A failed reading had no effect. */
function failureFrom(fault: Fault, method: string | undefined): Failure {
  return {
    code: fault.code,
    detail: fault.code === "internal" ? "" : fault.message,
    effect: method === "GET" ? "none" : fault.effect,
    retry: fault.retry,
  };
}
