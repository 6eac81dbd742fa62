import type { Command } from "commander";
import { Option } from "commander";
import { parseDuration } from "../app/command-line.ts";
import { Client } from "./client.ts";
import type { Connection, ConnectionOptions } from "./connection.ts";
import { connectionFor } from "./connection.ts";
import { usage } from "./exit.ts";
import type { Answer, Terminal } from "./terminal.ts";
import { Output } from "./terminal.ts";

/** Longer than any act of the API but a probe of a slow server. */
const timeoutDefault = "60s";

interface Globals {
  readonly json?: boolean;
  readonly url?: string;
  readonly token?: string;
  readonly data?: string;
  readonly timeout?: string;
}

/** One run of one command: how it speaks to the person, to the node, and to this machine. */
export class Session {
  readonly terminal: Terminal;
  readonly output: Output;
  private readonly globals: Globals;
  private known: Connection | null = null;

  constructor(terminal: Terminal, globals: Globals) {
    this.terminal = terminal;
    this.globals = globals;
    this.output = new Output(terminal, globals.json);
  }

  get json(): boolean | undefined {
    return this.globals.json;
  }

  /** `--data`; undefined = as the configuration says. */
  get data(): string | undefined {
    return this.globals.data;
  }

  /** Which node is meant and who asks, wherever on the line that stands. */
  get connectionOptions(): ConnectionOptions {
    const { url, token, data } = this.globals;
    return {
      ...(url === undefined ? {} : { url }),
      ...(token === undefined ? {} : { token }),
      ...(data === undefined ? {} : { data }),
    };
  }

  /** The node, as the tenant's administrator (or whoever the given token is). */
  api(): Client {
    return this.client(this.connection().token);
  }

  /** The node, as administrator of the installation where this machine has that key. */
  systemApi(): Client {
    const { token, systemToken } = this.connection();
    return this.client(systemToken ?? token);
  }

  print(answer: Answer): void {
    this.output.print(answer);
  }

  private connection(): Connection {
    this.known ??= connectionFor(this.globals, this.terminal.environment);
    return this.known;
  }

  private client(token: string): Client {
    const timeoutMs = durationOf("--timeout", this.globals.timeout ?? timeoutDefault);
    return new Client({ url: this.connection().url, token, timeoutMs, clock: this.terminal.clock });
  }
}

/** Turns a command's work into what commander calls: it gets the session, the arguments, and the options last. */
export const run =
  <A extends readonly unknown[]>(
    terminal: Terminal,
    work: (session: Session, ...given: A) => Promise<void>,
  ) =>
  async (...given: readonly unknown[]): Promise<void> => {
    const command = given.at(-1) as Command; // commander passes it last
    const session = new Session(terminal, command.optsWithGlobals<Globals>());
    await work(session, ...(given.slice(0, -1) as unknown as A)); // its declaration says what these are
  };

interface Verb {
  /** As commander reads it: "show <server>". */
  readonly usage: string;
  readonly summary: string;
  readonly notes?: string;
  /** What somebody would really type, with what makes it likely to work. */
  readonly example: string;
  /** What its noun does when no verb is given. */
  readonly isDefault?: boolean;
}

/** Where the reference page finds them. */
export const examples = new WeakMap<Command, string>();

/** A verb that can be run; each has one example. */
function verb(noun: Command, { usage, summary, notes, example, isDefault = false }: Verb): Command {
  const command = noun.command(usage, { isDefault }).summary(summary);
  command.description(notes === undefined ? `${summary}.` : `${summary}. ${notes}`);
  command.addHelpText("after", `\nExample:\n  $ ${example}`);
  examples.set(command, example);
  return command;
}

export const noun = (parent: Command, name: string, summary: string): Command =>
  parent.command(name).summary(summary).description(`${summary}.`);

/** A verb that speaks to a node. */
export function apiVerb(parent: Command, spec: Verb): Command {
  return withOptions(verb(parent, spec), ["json", "url", "token", "data", "timeout"]);
}

/** A verb that works on this machine alone. */
export function localVerb(parent: Command, spec: Verb): Command {
  return withOptions(verb(parent, spec), ["json"]);
}

const options = {
  json: () =>
    new Option("--json", "one JSON document on stdout, also at a terminal (--no-json: text, also in a pipe)"),
  url: () => new Option("--url <url>", "address of the node (SIGNALBOX_URL)"),
  token: () =>
    new Option(
      "--token <key>",
      "API key or token; better in SIGNALBOX_TOKEN, where other processes do not see it",
    ),
  data: () => new Option("--data <dir>", "data directory in which the node left its address and a key"),
  timeout: () =>
    new Option("--timeout <duration>", `how long to wait for the node, e.g. 5s (${timeoutDefault})`),
} as const;

/** Those that every verb of its kind has; the reference page lists them once. */
export const commonOptions = new WeakSet<Option>();

function withOptions(command: Command, names: readonly (keyof typeof options)[]): Command {
  for (const name of names) {
    const option = options[name]();
    commonOptions.add(option);
    command.addOption(option);
  }
  return command.addOption(new Option("--no-json").hideHelp());
}

/** For whoever writes them down: what stands behind `commonOptions`. */
export const commonOptionList = (): readonly Option[] => Object.values(options).map((make) => make());

/** The same options before the noun: read there for every verb, shown with each. */
export function globalOptions(program: Command): void {
  for (const make of Object.values(options)) program.addOption(make().hideHelp());
  program.addOption(new Option("--no-json").hideHelp());
}

/** `atMost` is written like the option itself; left out = any duration. */
export function durationOf(option: string, text: string, atMost?: string): number {
  const ms = parseDuration(text);
  if (ms === null || ms === 0)
    throw usage(`${option} is "${text}"; write a number and a unit, like 500ms, 30s, 5m, 2h or 1d.`);
  if (atMost !== undefined && ms > (parseDuration(atMost) ?? Number.POSITIVE_INFINITY))
    throw usage(`${option} is "${text}"; at most ${atMost} can be had.`);
  return ms;
}

export function wholeOf(option: string, text: string, min: number, max: number): number {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw usage(`${option} is "${text}"; write a whole number from ${min} to ${max}.`);
  return value;
}

export function oneOf<T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === text);
  if (found === undefined) throw usage(`${option} is "${text}"; it is one of ${allowed.join(", ")}.`);
  return found;
}

/** For options that may be given several times. */
export const collect = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];

export const limitOption = () => new Option("--limit <n>", "how many at most").default("100");
export const limitOf = (text: string): number => wholeOf("--limit", text, 1, 100_000);
