import { CommanderError } from "commander";
import type { Code } from "../../contract/index.ts";
import { codes } from "../../contract/index.ts";
import { explain, Fault } from "../base/index.ts";

/** The same for every command; scripts rely on them. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, refused: 3, timedOut: 4 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

interface StopOptions {
  readonly exitCode?: ExitCode;
  /** What to do about it; null = nothing that we know. */
  readonly hint?: string | null;
  /** Everything that is wrong, one line each. */
  readonly problems?: readonly string[];
  /** Under which the node has logged it. */
  readonly requestId?: string | null;
}

/** Ends a command: what happened, and what to do about it. `code` is a row of contract/codes.ts or one of the command line's own. */
export class Stop extends Error {
  override readonly name = "Stop";
  readonly code: string;
  readonly exitCode: ExitCode;
  readonly hint: string | null;
  readonly problems: readonly string[];
  readonly requestId: string | null;

  constructor(code: string, sentence: string, options: StopOptions = {}) {
    super(sentence);
    this.code = code;
    this.exitCode = options.exitCode ?? exitCodeOf(code);
    this.hint = options.hint ?? null;
    this.problems = options.problems ?? [];
    this.requestId = options.requestId ?? null;
  }
}

/** Ends a command whose answer has said it all: nothing more is printed. */
export class Quietly extends Error {
  override readonly name = "Quietly";
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/** The input was not understood; nothing was done. */
export const usage = (sentence: string, hint: string | null = null): Stop =>
  new Stop("usage", sentence, { exitCode: exitCodes.usage, hint });

/** "Refused" is for what somebody may not do; what cannot be done has failed. */
export function exitCodeOf(code: string): ExitCode {
  const row = isCode(code) ? codes[code] : null;
  if (row === null) return exitCodes.failed;
  if (row.http === 401 || row.http === 403) return exitCodes.refused;
  return row.http === 504 ? exitCodes.timedOut : exitCodes.failed;
}

export const isCode = (code: string): code is Code => Object.hasOwn(codes, code);

/** Anything thrown, in words for a person. */
export function stopFrom(thrown: unknown): Stop {
  if (thrown instanceof Stop) return thrown;
  if (thrown instanceof CommanderError) return complaint(thrown);
  if (thrown instanceof Fault) {
    return new Stop(thrown.code, thrown.code === "internal" ? explain(thrown) : sentences(thrown), {
      hint: hintOf(thrown),
    });
  }
  return new Stop("internal", `Something is wrong in this program: ${explain(thrown)}`);
}

/** Null = it is not one that ends quietly. Commander has printed its help already, and its complaint where `hasComplained`. */
export function quietExitCode(thrown: unknown, hasComplained: boolean): ExitCode | null {
  if (thrown instanceof Quietly) return thrown.exitCode;
  if (!(thrown instanceof CommanderError)) return null;
  if (thrown.exitCode === 0) return exitCodes.ok;
  return hasComplained ? exitCodes.usage : null;
}

function complaint({ code, message }: CommanderError): Stop {
  if (code === "commander.help")
    return usage("There is no command here.", "Add --help to see what there is.");
  const [sentence = message, hint = null] = message.replace(/^error: /, "").split("\n");
  return usage(sentence, hint);
}

function sentences(fault: Fault): string {
  const text = explain(fault);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}

const hints: Partial<Record<Code, string>> = {
  "store-in-use": "Only one process works on a data directory: stop that one, or choose another with --data.",
  "store-version": "Use the version of Signalbox that wrote it, or a newer one.",
  "not-found": "Name the data directory with --data.",
};

function hintOf(fault: Fault): string | null {
  if (isListening(fault)) return listenHint(fault);
  if (isOccupied(fault)) return "Nothing is ever overwritten: name a place that is empty.";
  if (fault.code === "store-unavailable") return storeHint(fault);
  return hints[fault.code] ?? null;
}

/** There is data where new data should go; nobody need work on it. */
const isOccupied = ({ code, message }: Fault): boolean =>
  code === "store-in-use" && /is not empty$|has data already$/.test(message);

/** Null = the sentence says what is wrong with the database, and no other try would find it right. */
function storeHint({ evidence, message, retry }: Fault): string | null {
  const { sqlState } = evidence;
  if (typeof sqlState !== "string" && !/\bdatabase\b/.test(message))
    return "Look at the disk: space, permissions, mount. `signalbox doctor` checks them.";
  if (retry === "never") return null;
  return databaseHint(typeof sqlState === "string" ? sqlState : "");
}

/** By PostgreSQL's code; "" = it was not PostgreSQL that said no. */
function databaseHint(sqlState: string): string {
  if (sqlState === "3D000")
    return "Make the database first, with the role that signs in as its owner: CREATE DATABASE … OWNER …. Its tables are made by Signalbox.";
  if (sqlState.startsWith("28"))
    return "Look at the user and its password, and whether pg_hba.conf lets it in from this machine.";
  if (sqlState === "42501")
    return "The role has to own its schema, or to have the right to make one: GRANT CREATE ON DATABASE … TO ….";
  return "Look whether the database runs at this address, lets this machine in, and takes writes.";
}

const causeCode = (fault: Fault): unknown =>
  fault.cause instanceof Error && "code" in fault.cause ? fault.cause.code : null;

const isListening = (fault: Fault): boolean => fault.message.startsWith("cannot listen on");

function listenHint(fault: Fault): string {
  switch (causeCode(fault)) {
    case "EADDRINUSE":
      return "Something listens there already, perhaps another node: choose another port with --port.";
    case "EACCES":
      return "Ports below 1024 belong to the system: choose a higher one with --port.";
    default:
      return "Choose an address of this machine with --host, or in listen.host.";
  }
}
