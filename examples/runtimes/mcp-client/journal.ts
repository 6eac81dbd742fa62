import { createHash } from "node:crypto";

/** All that a run takes besides MCP: five requests of docs/reference/openapi.json, with the agent's own token. */
export interface Journal {
  /** null = there is still work to do. */
  readonly end: { readonly result: unknown } | null;
  /** What is on record under this key; when nothing is, `make` is done and recorded. `input` is what it is made from. */
  step<T>(kind: "model" | "value", key: string, input: unknown, make: () => Promise<T>): Promise<T>;
  /** The names that make a tool call safe to repeat, for its `_meta`. */
  metaOf(step: string): Record<string, string | number>;
  finish<T>(result: T): Promise<T>;
}

export interface JournalOptions {
  readonly url: string;
  readonly token: string;
  readonly run: string;
}

interface Attached {
  readonly attempt: number;
  readonly end: { readonly state: string; readonly result: unknown; readonly reason: string | null } | null;
}

/** Makes this process the run's newest attempt: an older one that still lives is refused from here on. */
export async function attach({ url, token, run }: JournalOptions): Promise<Journal> {
  const ask = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${url}/api/v1/runs/${encodeURIComponent(run)}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer: unknown = await response.json();
    if (response.ok) return answer as T;
    const { code, message, detail } = (
      answer as { error: { code: string; message: string; detail?: string } }
    ).error;
    throw new Error(`${code}: ${message} ${detail ?? ""}`);
  };
  const { attempt, end } = await ask<Attached>("POST", "/attach", {});
  if (end !== null && end.state !== "finished") throw new Error(`the run is ${end.state}: ${end.reason}`);
  return {
    end,
    async step(kind, key, input, make) {
      const digest = digestOf(input);
      const query = `attempt=${attempt}&kind=${kind}&input=${digest}`;
      const { step } = await ask<{ step: { output: unknown } | null }>("GET", `/steps/${key}?${query}`);
      if (step !== null) return step.output as Awaited<ReturnType<typeof make>>;
      const body = { attempt, kind, input: digest, output: await make() };
      const { output } = await ask<{ output: unknown }>("PUT", `/steps/${key}`, body);
      return output as Awaited<ReturnType<typeof make>>;
    },
    metaOf: (step) => ({
      "dev.signalbox/run": run,
      "dev.signalbox/step": step,
      "dev.signalbox/attempt": attempt,
    }),
    async finish(result) {
      await ask("POST", "/end", { attempt, state: "finished", result });
      return result;
    },
  };
}

/** Any digest does that is the same for the same input: 64 hexadecimal digits. */
const digestOf = (input: unknown): string => createHash("sha256").update(JSON.stringify(input)).digest("hex");
