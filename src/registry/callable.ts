import type { Refusal } from "../../contract/index.ts";
import type { Result, WallMs } from "../base/index.ts";
import { msOf, ok, refuse } from "../base/index.ts";
import type { Health, Tool } from "./records.ts";
import type { Prompt, Resource, Subject } from "./subject.ts";

/**
 * Whether a call of this tool may go ahead as far as the registry knows. A server that is still connecting takes calls, because
 * it is the first call that connects it; one that is degraded takes them with its flaw; one that is down refuses with its reason. So
 * does a tool whose own health is down. `own` null = nothing is known against the tool itself.
 */
export function callable(tool: Tool, server: Health, own: Health | null): Result<Tool> {
  if (!tool.server.enabled) return disabled(tool);
  switch (tool.state.kind) {
    case "quarantined":
      return quarantined(tool, tool.state.since);
    case "gone":
      return unavailable(tool, `The server "${tool.server.name}" no longer offers "${tool.name}".`, {
        cause: "dependency",
        since: msOf(tool.state.since),
      });
    case "live": {
      const withServer = unlessDown(tool, server, `The server "${tool.server.name}"`);
      return withServer.ok && own !== null ? unlessDown(tool, own, `"${tool.exposedName}"`) : withServer;
    }
  }
}

/** As `callable`, for what has no state of its own. */
export const callableAt = <S extends Resource | Prompt>(subject: S, health: Health): Result<S> =>
  subject.server.enabled
    ? unlessDown(subject, health, `The server "${subject.server.name}"`)
    : disabled(subject);

function unlessDown<S extends Subject>(subject: S, health: Health, whose: string): Result<S> {
  switch (health.state) {
    case "connecting":
    case "healthy":
    case "degraded":
      return ok(subject);
    case "down": {
      const { cause, reason, since } = health;
      const detail = `${whose} is down (${cause}): ${reason}`;
      return unavailable(subject, detail, { cause, reason, since: msOf(since) });
    }
  }
}

const disabled = (subject: Subject): Result<never> =>
  unavailable(subject, `The server "${subject.server.name}" is disabled.`, { disabled: true });

const quarantined = (tool: Tool, since: WallMs): Result<never> =>
  refuse<Refusal>({
    code: "tool-quarantined",
    detail: `The definition of "${tool.exposedName}" changed at ${instant(since)} and waits for review.`,
    evidence: { tool: tool.id, pin: tool.pin, since: msOf(since) },
  });

const unavailable = (subject: Subject, detail: string, evidence: Record<string, unknown>): Result<never> =>
  refuse<Refusal>({
    code: "tool-unavailable",
    detail,
    evidence: { [subject.kind]: subject.id, ...evidence },
  });

const instant = (at: WallMs): string => new Date(msOf(at)).toISOString();
