import type { Clock } from "../base/index.ts";
import { msOf } from "../base/index.ts";
import type { CallRecord } from "./call-record.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { cleanText } from "./redact.ts";

/**
 * One line and one set of metrics per call; nothing is sampled away. The line is written by hand: every field is known, most
 * need no escaping, and a general serialiser spends several times as long finding that out.
 */
export function createRecordCall(options: {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
}): (record: CallRecord) => void {
  const { log, metrics, clock } = options;
  return (record) => {
    metrics.observeCall(record);
    if (!log.isInfoOn) return;
    const timeMs = Math.trunc(msOf(clock.wall()));
    log.line(() => lineOf(record, timeMs));
  };
}

export function lineOf(record: CallRecord, timeMs: number): string {
  let queue = "";
  let work = "";
  const { names, queueMs, workMs } = record.stations;
  for (let i = 0; i < names.length; i++) {
    const name = quotedName(names[i] as string);
    work += `${work === "" ? "" : ","}${name}:${us(workMs[i] ?? 0)}`;
    const queueUs = us(queueMs[i] ?? 0);
    if (queueUs > 0) queue += `${queue === "" ? "" : ","}${name}:${queueUs}`;
  }
  let reasons = "";
  for (const reason of record.reasons) reasons += (reasons === "" ? "" : ",") + quotedName(reason);
  return (
    `{"level":"info","time":${timeMs},"msg":"call","requestId":"${record.requestId}","call":${ourOwn(record.call)}` +
    `,"run":${quotedOrNull(record.run)},"step":${quotedOrNull(record.step)}` +
    `,"tool":${nameOrNull(record.tool)},"argumentsHash":${ourOwn(record.argumentsHash)}` +
    `,"decision":${ourOwn(record.decision)},"reasons":[${reasons}],"queueUs":{${queue}},"workUs":{${work}}` +
    `,"outcome":"${record.outcome}","isError":${record.isError},"code":${ourOwn(record.code)}` +
    `,"resultBytes":${whole(record.resultBytes)},"estimatedTokens":${whole(record.estimatedTokens)}` +
    `,"cached":${record.cached},"recalled":${record.recalled},"principal":${nameOrNull(record.principal)}` +
    `,"tenant":${nameOrNull(record.tenant)},"traceparent":${quotedOrNull(record.traceparent)}` +
    `,"totalUs":${us(record.totalMs)}}\n`
  );
}

/** What names look like in a line: the same few come with every call, and looking for secrets in one takes ten times as long. */
const quotedNames = new Map<string, string>();
/** Of all agents that are active at once, and the tools they call. */
const quotedNamesMax = 16_384;

function quotedName(name: string): string {
  const known = quotedNames.get(name);
  if (known !== undefined) return known;
  const text = quoted(name);
  // Only what is plain: callers choose some of them, and what may be a secret is not kept.
  if (text.length !== name.length + 2) return text;
  if (quotedNames.size >= quotedNamesMax) quotedNames.clear();
  quotedNames.set(name, text);
  return text;
}

/** Anything but plain printable ASCII without quotes, or something that may be a secret, takes the slow and careful way. */
const needsCare = /[^ !#-[\]-~]|bearer|basic|sbk_|eyJ|:\/\/|[?&;#]/i;
/** Names are at most 128 characters by their own rules; a longer one is somebody's attempt. */
const nameCharsMax = 256;

function quoted(text: string): string {
  if (text.length <= nameCharsMax && !needsCare.test(text)) return `"${text}"`;
  return JSON.stringify(cleanText(text, nameCharsMax));
}

/** Ids, digests and words of ours: there is nothing to look for in them. */
const ourOwn = (text: string | null): string => (text === null ? "null" : `"${text}"`);

const nameOrNull = (name: string | null): string => (name === null ? "null" : quotedName(name));

const quotedOrNull = (text: string | null): string => (text === null ? "null" : quoted(text));

/** Whole microseconds; a clock that went wrong reads as 0 and never as invalid JSON. */
const us = (ms: number): number => (ms > 0 ? Math.round(ms * 1000) : 0);
const whole = (value: number): number => (value > 0 ? Math.round(value) : 0);
