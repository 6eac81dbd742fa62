import type { MonotonicMs, Random, WallMs } from "../base/index.ts";
import { deadlineIn, elapsedMs, explain, newId, ok, plusMs, randomBelow } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { ServerId, Tool, ToolProbe } from "../registry/index.ts";
import { probeOf, sameClass } from "../registry/index.ts";
import { measureOf } from "./bounds.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import type { House } from "./house.ts";
import { ownCall } from "./own-call.ts";
import type { Finding } from "./probe-finding.ts";
import { findingOf } from "./probe-finding.ts";

/** What does not answer this is of no use to an agent that waits; the server's own call timeout counts where it is shorter. */
const answerWithinMs = 10_000;
/** A tool that begins to be probed is so within this, not all of them in one moment. */
const firstWithinMs = 5_000;
/**
 * After a failure, so that one lost answer is told from a tool that does not work: short enough for the next round, five seconds later.
 * Doubles up to the probe's own interval.
 */
const afterFailureMs = 4_000;
/** What a tool says of itself may be long. */
const reasonCharsMax = 500;

/** How the last probe of a tool went. */
export interface Probed {
  readonly at: WallMs;
  readonly found: Finding["kind"];
  /** null = it works. */
  readonly reason: string | null;
}

interface Standing {
  readonly tool: Tool;
  /** Since it worked. */
  failures: number;
  nextAt: MonotonicMs;
  /** Since when the server was as it was at the last probe: what happened to it since may have helped. */
  serverSince: WallMs | null;
  last: Probed | null;
}

/**
 * Calls the tools that are to be probed, each on its interval, and reports what it finds to the registry: this node's view, like the
 * health of its servers. A probe is a governed call of the node's own principal. One at a time for each server, and none that would
 * wait for a place, so that no agent waits for it. A first failure makes a tool `degraded`, a second one in a row `down`.
 */
export class Probes {
  private readonly call: (input: CallInput) => Promise<CallAnswer>;
  private readonly standings = new Map<string, Standing>();
  private readonly busy = new Set<ServerId>();
  private readonly stopping = new AbortController();

  constructor(call: (input: CallInput) => Promise<CallAnswer>) {
    this.call = call;
  }

  /** By the tool's id; null = not yet, by this node. */
  lastOf(tool: string): Probed | null {
    return this.standings.get(tool)?.last ?? null;
  }

  /** Those under way end at once: nothing that reads is waited for. */
  stop(): void {
    this.stopping.abort();
  }

  /** Begins what is due, and comes back at once. Never throws. */
  round(house: House): void {
    try {
      for (const [server, due] of this.due(house))
        if (!this.busy.has(server)) void this.lane(server, due, house);
    } catch (thrown) {
      house.onTrouble("looking for tools to probe", thrown);
    }
  }

  /** By server. Forgets tools that are not to be probed any more. */
  private due(house: House): ReadonlyMap<ServerId, readonly Standing[]> {
    const standing = new Set<string>();
    const due = new Map<ServerId, Standing[]>();
    for (const tenant of house.tenants()) {
      for (const tool of house.registry.toolsOf(tenant)) {
        if (probeOf(tool.class) === null) continue;
        standing.add(tool.id);
        const found = this.of(tool, house);
        if (!isDue(found, house)) continue;
        const ofServer = due.get(tool.server.id);
        if (ofServer === undefined) due.set(tool.server.id, [found]);
        else ofServer.push(found);
      }
    }
    this.forgetAllBut(standing, house);
    return due;
  }

  /** Another definition, or another probe, is another thing to find out about; what was found before stands until then. */
  private of(tool: Tool, house: House): Standing {
    const known = this.standings.get(tool.id);
    if (known !== undefined && known.tool.pin === tool.pin && sameClass(known.tool.class, tool.class))
      return known;
    const fresh: Standing = {
      tool,
      failures: 0,
      nextAt: plusMs(house.clock.monotonic(), randomBelow(house.random, firstWithinMs)),
      serverSince: null,
      last: null,
    };
    this.standings.set(tool.id, fresh);
    return fresh;
  }

  /** Nobody would find out any more that such a tool works again. */
  private forgetAllBut(kept: ReadonlySet<string>, house: House): void {
    for (const [id, { tool }] of this.standings) {
      if (kept.has(id)) continue;
      this.standings.delete(id);
      house.registry.reportToolHealth(tool, { state: "healthy", since: house.clock.wall() });
    }
  }

  private async lane(server: ServerId, due: readonly Standing[], house: House): Promise<void> {
    this.busy.add(server);
    try {
      for (const each of due.toSorted((a, b) => elapsedMs(a.nextAt, b.nextAt))) {
        if (this.stopping.signal.aborted) return;
        await this.probe(each, house);
      }
    } catch (thrown) {
      house.onTrouble(`probing tools of server ${server}`, thrown);
    } finally {
      this.busy.delete(server);
    }
  }

  private async probe(standing: Standing, house: House): Promise<void> {
    const { registry, clock } = house;
    const { id, tenant } = standing.tool;
    const principal = house.serviceOf(tenant);
    // Looked at anew: those before it in the lane may have taken a while.
    const tool = registry.toolById(tenant, id);
    const probe = tool === null ? null : probeOf(tool.class);
    if (tool === null || probe === null || principal === null) return;
    if (!mayBeProbed(tool, house) || !hasRoom(tool, principal, house)) return;
    standing.serverSince = registry.serverHealth(tool.server.id).since;
    const finding = await this.ask(tool, probe, principal, house);
    if (this.stopping.signal.aborted) return;
    standing.last = {
      at: clock.wall(),
      found: finding.kind,
      reason: finding.kind === "well" ? null : finding.reason,
    };
    if (finding.kind === "well") standing.failures = 0;
    else if (finding.kind === "ill") standing.failures++;
    standing.nextAt = plusMs(clock.monotonic(), pauseMs(standing.failures, probe, house.random));
    // What was asked is not there any more, so the answer says nothing of what is.
    const isSame = this.standings.get(id) === standing && mayBeProbed(tool, house);
    if (isSame) report(tool, finding, house);
  }

  private async ask(tool: Tool, probe: ToolProbe, principal: Principal, house: House): Promise<Finding> {
    try {
      const finding = findingOf(await this.call(this.inputFor(tool, probe, principal, house)));
      return finding.kind === "well"
        ? finding
        : { ...finding, reason: finding.reason.slice(0, reasonCharsMax) };
    } catch (thrown) {
      house.onTrouble(`probing ${tool.exposedName}`, thrown);
      return { kind: "unmade", reason: explain(thrown) };
    }
  }

  private inputFor(tool: Tool, probe: ToolProbe, principal: Principal, house: House): CallInput {
    const { clock, random } = house;
    return ownCall(
      {
        requestId: newId("probe", clock.wall(), random),
        authenticate: () => ok(principal),
        name: tool.exposedName,
        arguments: probe.arguments,
        deadline: deadlineIn(clock, answerWithinMs),
        signal: this.stopping.signal,
        isProbe: true,
      },
      clock,
    );
  }
}

function isDue(standing: Standing, house: House): boolean {
  const { tool, nextAt, failures, serverSince } = standing;
  if (!mayBeProbed(tool, house)) return false;
  if (elapsedMs(nextAt, house.clock.monotonic()) <= 0) return true;
  return failures > 0 && serverSince !== house.registry.serverHealth(tool.server.id).since;
}

/** A server that is not connected has its own probes, and its tools are no better than it. */
function mayBeProbed(tool: Tool, { registry }: House): boolean {
  const { state } = registry.serverHealth(tool.server.id);
  return (state === "healthy" || state === "degraded") && registry.probeable(tool).ok;
}

/** Where there is none calls of agents come and go, and the next round looks again. */
const hasRoom = ({ server }: Tool, principal: Principal, house: House): boolean =>
  measureOf(principal, server, house).bounds.every(({ key, max }) => house.gate.insideOf(key) < max);

function pauseMs(failures: number, probe: ToolProbe, random: Random): number {
  const { everyMs = 0 } = probe;
  const ms = failures === 0 ? everyMs : Math.min(everyMs, afterFailureMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(ms * 0.9) + randomBelow(random, Math.max(1, Math.round(ms * 0.2)));
}

/** That it works has been reported where the answer was looked at, as of every call. */
function report(tool: Tool, finding: Finding, { registry, clock }: House): void {
  if (finding.kind === "well" || finding.kind === "unmade") return;
  const { cause, reason } = finding;
  // An agent's call that went well has taken back what was known: then this failure is a first one.
  const isAgain = finding.kind === "ill" && registry.ownHealthOf(tool) !== null;
  registry.reportToolHealth(tool, {
    state: isAgain ? "down" : "degraded",
    since: clock.wall(),
    cause,
    reason,
  });
}
