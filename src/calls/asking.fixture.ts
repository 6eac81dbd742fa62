import { profileOf } from "../registry/index.ts";
import type { Ask, UpstreamReply, UpstreamRequest } from "../upstream/index.ts";
import type { CallAnswer } from "./call.ts";
import { resultOf } from "./world.fixture.ts";

/** What tests of calls that stay open say again and again. */
export const profile = profileOf({
  elicitation: { form: {} },
  sampling: {},
  roots: {},
  extensions: { "io.modelcontextprotocol/tasks": {} },
});
export const question: Ask = { method: "elicitation/create", params: { mode: "form", message: "Really?" } };
export const yes = { action: "accept", content: { sure: true } };

export const asks = (
  requestState: string | null,
  requests: Record<string, Ask> = { q: question },
): UpstreamReply => ({
  kind: "input-required",
  raw: JSON.stringify({ resultType: "input_required", inputRequests: requests, requestState }),
  requests,
  requestState,
});

/** Asks first, and answers with what it was given. */
export const asksOnce = (request: UpstreamRequest): UpstreamReply =>
  request.round === null ? asks("theirs") : resultOf(JSON.stringify({ content: [], ...request.round }));

export const asksInMidCall = async (request: UpstreamRequest): Promise<UpstreamReply> =>
  resultOf(JSON.stringify({ content: [], answer: await request.onAsk!(question) }));

export const taskOf = (value: Record<string, unknown>): UpstreamReply => ({
  kind: "task",
  raw: JSON.stringify(value),
  value,
});
export const created = { resultType: "task", taskId: "theirs-1", status: "working", ttlMs: 60_000 };

export interface Asked {
  readonly inputRequests: Record<string, Ask>;
  readonly requestState: string;
}

export function asked(answer: CallAnswer): Asked {
  if (answer.kind !== "input-required") throw new Error(JSON.stringify(answer));
  return JSON.parse(answer.text) as Asked;
}

export const codeOf = (answer: CallAnswer): string =>
  answer.kind === "refused" ? answer.refusal.code : answer.kind;

export const valueOf = (answer: CallAnswer): Record<string, unknown> => {
  if (answer.kind === "refused") throw new Error(JSON.stringify(answer));
  return JSON.parse(answer.text) as Record<string, unknown>;
};

export const round = (requestState: string, inputResponses: Record<string, unknown> = { q: yes }) => ({
  profile,
  round: { inputResponses, requestState },
});
