import type { Refusal } from "../../../contract/index.ts";
import { newId } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import { isInScope } from "../../identity/index.ts";
import type { ModernMessage } from "../classify.ts";
import type { JsonObject } from "../envelope.ts";
import type { Exchange, McpResponse } from "../exchange.ts";
import type { Listening } from "../listening.ts";
import { ownerOf } from "../owner.ts";
import { eventStreamHeaders } from "../sse.ts";
import type { ModernContext } from "./context.ts";
import { declaredProfile, whenGone } from "./context.ts";
import type { ListenFilter } from "./listen-filter.ts";
import { honouredFilter, listenFilter } from "./listen-filter.ts";
import { ListenStream } from "./listen-stream.ts";
import { declaresTasks, tasksUndeclared } from "./task.ts";
import { TaskWatch } from "./task-watch.ts";

/** What a task comes to is what its tool gave, which a token that may only read does not get otherwise either. */
const withinScopes = (asked: ListenFilter, principal: Principal): ListenFilter =>
  isInScope(principal, "mcp:call") ? asked : { ...asked, taskIds: [] };

/** Every message of a stream names the request that opened it. */
const idCharsMax = 256;
/** Of what one request wants to hear of, how much is asked for at the same time. */
const askedAtOnceMax = 8;

const noWatches: ReadonlyMap<string, TaskWatch> = new Map();

/**
 * `subscriptions/listen`: long answers that tell of changes (MCP 2026-07-28, basic/patterns/subscriptions). Here they are opened
 * and counted; what is told to whom, and whether it still may be, is for the hub.
 */
export class Listens {
  private readonly context: ModernContext;
  private readonly countByOwner = new Map<string, number>();
  private count = 0;

  constructor(context: ModernContext) {
    this.context = context;
  }

  open(exchange: Exchange, message: ModernMessage, id: string | number): void {
    const { responder, bounds, options, hub } = this.context;
    const { response, principal, authenticate } = exchange;
    const profile = declaredProfile(this.context, message);
    const filter = listenFilter(message.params["notifications"], bounds.listenUrisMax);
    if (!filter.ok) {
      responder.refuse(response, "modern", filter.refusal, { id });
      return;
    }
    const asked = withinScopes(filter.value, principal);
    const refusal =
      asked.taskIds.length > 0 && !declaresTasks(profile) ? tasksUndeclared : this.crowded(principal, id);
    if (refusal !== null) {
      responder.refuse(response, "modern", refusal, { id });
      return;
    }
    const stream = new ListenStream({
      response,
      id,
      principal,
      profile,
      authenticate,
      kinds: asked.kinds,
      bytesWaitingMax: bounds.listenBytesWaitingMax,
      serverInfo: options.serverInfo,
    });
    const listening = hub.open(stream);
    if (!listening.ok) {
      responder.refuse(response, "modern", listening.refusal, { id });
      return;
    }
    this.enter(principal, response, listening.value);
    options.metrics.countEdgeRequest("modern", 200);
    response.writeHead(200, [...responder.closeHeader, ...eventStreamHeaders]);
    response.flushHeaders();
    if (asked.uris.length === 0 && asked.taskIds.length === 0) begin(stream, listening.value, asked);
    else
      this.grant(stream, listening.value, asked, message.meta, response).catch((thrown: unknown) =>
        responder.fail(response, "modern", "opening a stream", thrown, id),
      );
  }

  /** Asks for all that has to be asked for, and begins with what was granted. Why something was not is in the ledger. */
  private async grant(
    stream: ListenStream,
    listening: Listening,
    asked: ListenFilter,
    meta: JsonObject,
    response: McpResponse,
  ): Promise<void> {
    const uris = await grantedOf(asked.uris, async (uri) => (await listening.subscribe(uri, meta)).ok);
    const watches = asked.taskIds.length === 0 ? noWatches : this.watchesOf(asked.taskIds, stream, response);
    const taskIds = await grantedOf(asked.taskIds, async (id) => (await watches.get(id)?.look()) === true);
    begin(stream, listening, { kinds: asked.kinds, uris, taskIds });
    for (const id of taskIds) watches.get(id)?.begin();
  }

  private watchesOf(
    taskIds: readonly string[],
    stream: ListenStream,
    response: McpResponse,
  ): ReadonlyMap<string, TaskWatch> {
    const { clock, random, calls } = this.context.options;
    const { authenticate, profile } = stream;
    const signal = whenGone(response);
    const watch = (taskId: string) =>
      new TaskWatch({
        clock,
        look: () =>
          calls.task({
            requestId: newId("req", clock.wall(), random),
            authenticate,
            method: "tasks/get",
            taskId,
            inputResponses: null,
            profile,
            signal,
          }),
        tell: (task) => stream.tellTask(task),
      });
    const watches = new Map(taskIds.map((id) => [id, watch(id)]));
    response.once("close", () => {
      for (const each of watches.values()) each.stop();
    });
    return watches;
  }

  private crowded(principal: Principal, id: string | number): Refusal | null {
    const { listensMax, listensPerPrincipalMax } = this.context.bounds;
    if (typeof id === "string" && id.length > idCharsMax)
      return { code: "malformed-request", detail: `Its id is longer than ${idCharsMax} characters.` };
    if ((this.countByOwner.get(ownerOf(principal)) ?? 0) >= listensPerPrincipalMax)
      return {
        code: "too-many-calls",
        detail: `At most ${listensPerPrincipalMax} may listen under one name.`,
      };
    return this.count >= listensMax
      ? { code: "queue-full", detail: `At most ${listensMax} may listen.` }
      : null;
  }

  /** A function of its own, so that what listens for the end holds nothing else of the request for as long as the stream lasts. */
  private enter(principal: Principal, response: McpResponse, listening: Listening): void {
    const owner = ownerOf(principal);
    this.count++;
    this.countByOwner.set(owner, (this.countByOwner.get(owner) ?? 0) + 1);
    response.once("close", () => {
      listening.close();
      this.leave(owner);
    });
  }

  private leave(owner: string): void {
    this.count--;
    const left = (this.countByOwner.get(owner) ?? 1) - 1;
    if (left === 0) this.countByOwner.delete(owner);
    else this.countByOwner.set(owner, left);
  }
}

/** Those for which the answer is yes; a few are asked at a time. */
async function grantedOf(
  wishes: readonly string[],
  ask: (wish: string) => Promise<boolean>,
): Promise<readonly string[]> {
  const granted: string[] = [];
  for (let from = 0; from < wishes.length; from += askedAtOnceMax) {
    const some = wishes.slice(from, from + askedAtOnceMax);
    const answers = await Promise.all(some.map((wish) => ask(wish)));
    granted.push(...some.filter((_, i) => answers[i] === true));
  }
  return granted;
}

/** A stream on which nothing will ever come ends as it began. */
function begin(stream: ListenStream, listening: Listening, honoured: ListenFilter): void {
  if (!listening.isOpen) return;
  stream.acknowledge(honouredFilter(honoured));
  const { kinds, uris, taskIds } = honoured;
  if (kinds.length + uris.length + taskIds.length === 0) listening.end({ kind: "nothing" });
  else listening.begin();
}
