import { callerName, metaKeys } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { Planned } from "./stages.ts";

type Meta = Readonly<Record<string, unknown>>;

/** Never fires: for work that its caller can no longer take back. */
export const neverAborts: AbortSignal = new AbortController().signal;

const none: Meta = {};

/** The protocol's own keys that say something about one hop: they are made anew for the next, or mean nothing there. */
const ofOneHop: ReadonlySet<string> = new Set([
  "progressToken",
  ...[
    "protocolVersion",
    "clientInfo",
    "clientCapabilities",
    "logLevel",
    "serverInfo",
    "subscriptionId",
    "related-task", // 2025-11-25: names a task by an id that only its own hop knows
  ].map((name) => `io.modelcontextprotocol/${name}`),
]);

/** What of the caller's `_meta` goes upstream: trace context, keys of extensions, and unknown ones. Ours stay here. */
export function passedOnMeta(meta: Meta): Meta {
  let out: Record<string, unknown> | null = null;
  for (const key of Object.keys(meta)) {
    if (ofOneHop.has(key) || key.startsWith("dev.signalbox/")) continue;
    out ??= {};
    out[key] = meta[key];
  }
  return out ?? none;
}

/** What goes upstream with a call: the caller's, and our id of it where its verify tool may later be asked by that. */
export function upstreamMeta({ id, input, subject }: Pick<Planned, "id" | "input" | "subject">): Meta {
  const passed = passedOnMeta(input.meta);
  if (input.about !== undefined) return { ...passed, [metaKeys.verifies]: input.about.call };
  return subject.class.kind === "verifiable" ? { ...passed, [metaKeys.call]: id } : passed;
}

/** The names under which a caller makes a call repeat-safe. */
export interface RepeatNames {
  readonly run: string | null;
  readonly step: string | null;
  readonly attempt: number | null;
  readonly key: string | null;
}

/** null = the caller named nothing, the common case. */
export function repeatNames(meta: Meta): Result<RepeatNames | null> {
  const run = meta[metaKeys.run];
  const step = meta[metaKeys.step];
  const attempt = meta[metaKeys.attempt];
  const key = meta[metaKeys.key];
  if (run === undefined && step === undefined && attempt === undefined && key === undefined) return ok(null);
  for (const [name, value] of [
    [metaKeys.run, run],
    [metaKeys.step, step],
    [metaKeys.key, key],
  ] as const) {
    if (value !== undefined && !(typeof value === "string" && callerName.test(value))) {
      return bad(`_meta["${name}"] must be 1-128 of A-Z a-z 0-9 . _ : -`);
    }
  }
  if (attempt !== undefined && !(Number.isSafeInteger(attempt) && (attempt as number) >= 1)) {
    return bad(`_meta["${metaKeys.attempt}"] must be a whole number from 1`);
  }
  if (run === undefined && (step !== undefined || attempt !== undefined)) {
    return bad(`_meta["${metaKeys.step}"] and _meta["${metaKeys.attempt}"] need _meta["${metaKeys.run}"]`);
  }
  if (step !== undefined && key !== undefined) {
    return bad(`name either a step of a run or a key, not both`);
  }
  return ok({
    run: (run as string | undefined) ?? null,
    step: (step as string | undefined) ?? null,
    attempt: (attempt as number | undefined) ?? null,
    key: (key as string | undefined) ?? null,
  });
}

/** The same, to make the call again with: an attempt is not among it. */
export const repeatMeta = (meta: Meta): Meta =>
  Object.fromEntries(
    [metaKeys.run, metaKeys.step, metaKeys.key].flatMap((key) => (key in meta ? [[key, meta[key]]] : [])),
  );

/** What a call named, as one text to compare by. An attempt is not among it: a run that was attached anew goes on with its calls. */
export const namesText = (meta: Meta): string =>
  JSON.stringify([metaKeys.run, metaKeys.step, metaKeys.key].map((key) => meta[key] ?? null));

const bad = (detail: string): Result<never> => refuse({ code: "invalid-params", detail });
