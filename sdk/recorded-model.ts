import { RunFailed, SignalboxError } from "./errors.ts";
import type { Step, ToolOptions, ToolResult } from "./step.ts";

/** What a model's server said once. */
interface RecordedAnswer {
  readonly status: number;
  readonly type: string | null;
  readonly body: string;
}

/** The server of the model said no: that is not what the step gives, so it is not recorded, and may be asked again. */
class NotAnswered extends Error {
  readonly response: Response;

  constructor(response: Response) {
    super(`the model's server answered ${response.status}`);
    this.response = response;
  }
}

/**
 * A model as any agent runtime calls it, on record: give `fetch` to the runtime's client of the model, and carry out the tool calls it
 * asks for with `tool`. Its requests are steps `<name>-1`, `<name>-2` …, made from method, path and body: what is on record comes back
 * without the model's server, and another request than the one on record is drift. A tool call is step `<name>.<id>`, where the id is
 * the one that the recorded answer gave it.
 *
 * Requests of one name come one after the other. What thinks at the same time, an agent beside another, has a name of its own.
 *
 * What a runtime would hide from its program, or tell the model as if a tool had said it (drift, an unknown outcome, a newer process),
 * stops the work of this process; `run` throws it, whatever the runtime makes of it.
 */
export class RecordedModel {
  readonly fetch: typeof fetch;
  private readonly step: Step;
  private readonly name: string;
  private readonly ask: typeof fetch;
  private answers = 0;
  private isAsking = false;
  private newest = "";

  /** `ask` is what really asks the model's server. */
  constructor(step: Step, name = "model", ask: typeof fetch = (input, init) => fetch(input, init)) {
    this.step = step;
    this.name = name;
    this.ask = ask;
    this.fetch = (input, init) => this.answer(new Request(input, init));
  }

  /**
   * Carries out a tool call that the model has asked for, at most once. A no that the model can go on with is a result as well, with
   * `isError`, and the same in every attempt (see `Step.toolOrRefusal`). Anything else stops the work.
   */
  async tool(id: string, name: string, args: unknown, options?: ToolOptions): Promise<ToolResult> {
    try {
      return await this.step.toolOrRefusal(this.keyOf(id), name, args, options);
    } catch (thrown) {
      this.step.stop(thrown);
      throw thrown;
    }
  }

  /** The step of a tool call. An id that a runtime has made up would be another one in the next attempt, and its effect done twice. */
  private keyOf(id: string): string {
    if (id !== "" && this.newest.includes(JSON.stringify(id))) return `${this.name}.${id}`;
    throw new Error(
      `tool call "${id}" is not in the newest answer of model "${this.name}", so its id is not the same in every attempt; ` +
        "call the tool with step.tool, under a key of your own",
    );
  }

  private async answer(request: Request): Promise<Response> {
    if (this.isAsking)
      return this.stopped(
        new Error(`two requests to model "${this.name}" at once: give each its own RecordedModel and name`),
      );
    this.isAsking = true;
    try {
      return await this.recorded(request);
    } catch (thrown) {
      if (thrown instanceof NotAnswered) return thrown.response;
      if (thrown instanceof SignalboxError || thrown instanceof RunFailed || this.step.signal.aborted)
        return this.stopped(thrown);
      throw thrown;
    } finally {
      this.isAsking = false;
    }
  }

  private async recorded(request: Request): Promise<Response> {
    const asked = await request.clone().text();
    const { status, type, body } = await this.step.model<RecordedAnswer>(`${this.name}-${this.answers + 1}`, {
      input: [request.method, new URL(request.url).pathname, jsonOr(asked)],
      // The runtime is told what its model's server says, and may have a way of its own. `ask` can throw `ContextExhausted`.
      isExhausted: () => false,
      call: async () => {
        const response = await this.ask(request);
        if (!response.ok) throw new NotAnswered(response);
        const body = await response.text();
        const type = response.headers.get("content-type");
        return { output: { status: response.status, type, body }, ...usageIn(jsonOr(body)) };
      },
    });
    this.answers++;
    this.newest = body;
    return new Response(body, { status, ...(type === null ? {} : { headers: { "content-type": type } }) });
  }

  /** An answer that no client of a model asks for again, in the form in which most of them show what it says. */
  private stopped(why: unknown): Response {
    this.step.stop(why);
    const message = why instanceof Error ? why.message : String(why);
    return Response.json({ error: { message, type: "signalbox", code: null } }, { status: 400 });
  }
}

/** Members in any order are the same request. */
function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** As the makers of models write it. What is not found is not on record. */
function usageIn(body: unknown) {
  if (!isObject(body)) return {};
  const { model, usage } = body;
  const named = typeof model === "string" && model.length <= modelNameMax ? { model } : {};
  if (!isObject(usage)) return named;
  const input = usage["input_tokens"] ?? usage["prompt_tokens"];
  const output = usage["output_tokens"] ?? usage["completion_tokens"];
  return isCount(input) && isCount(output) ? { ...named, tokens: { input, output } } : named;
}

/** What a node takes. */
const modelNameMax = 200;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
