import type { Refusal } from "../../contract/index.ts";
import type { Result, WallMs } from "../base/index.ts";
import { msOf, ok, refuse } from "../base/index.ts";
import type { Health, Tool } from "./records.ts";

/**
 * Whether a call of this tool may go ahead as far as the registry knows. A server that is still connecting takes calls, because
 * it is the first call that connects it; one that is degraded takes them with its flaw; one that is down refuses with its reason.
 */
export function callable(tool: Tool, health: Health): Result<Tool> {
  if (!tool.server.enabled) {
    return unavailable(tool, `The server "${tool.server.name}" is disabled.`, { disabled: true });
  }
  switch (tool.state.kind) {
    case "quarantined":
      return quarantined(tool, tool.state.since);
    case "gone":
      return unavailable(tool, `The server "${tool.server.name}" no longer offers "${tool.name}".`, {
        cause: "dependency",
        since: msOf(tool.state.since),
      });
    case "live":
      break;
  }
  switch (health.state) {
    case "connecting":
    case "healthy":
    case "degraded":
      return ok(tool);
    case "down":
      return unavailable(
        tool,
        `The server "${tool.server.name}" is down (${health.cause}): ${health.reason}`,
        {
          cause: health.cause,
          reason: health.reason,
          since: msOf(health.since),
        },
      );
  }
}

const quarantined = (tool: Tool, since: WallMs): Result<never> =>
  refuse<Refusal>({
    code: "tool-quarantined",
    detail: `The definition of "${tool.exposedName}" changed at ${instant(since)} and waits for review.`,
    evidence: { tool: tool.id, pin: tool.pin, since: msOf(since) },
  });

const unavailable = (tool: Tool, detail: string, evidence: Record<string, unknown>): Result<never> =>
  refuse<Refusal>({ code: "tool-unavailable", detail, evidence: { tool: tool.id, ...evidence } });

const instant = (at: WallMs): string => new Date(msOf(at)).toISOString();
