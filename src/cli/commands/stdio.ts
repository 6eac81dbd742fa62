import { existsSync } from "node:fs";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";
import type { Command } from "commander";
import type { Config } from "../../app/index.ts";
import { systemRandom } from "../../base/index.ts";
import type { Link } from "../../edge/stdio/index.ts";
import { Bridge, Lines } from "../../edge/stdio/index.ts";
import { cleanLine } from "../clean.ts";
import { configStop } from "../config-stop.ts";
import { connectionFor } from "../connection.ts";
import { exitCodes } from "../exit.ts";
import { localVerb, run } from "../session.ts";
import { LocalNode, NamedNode } from "../stdio-link.ts";
import type { Output, Terminal } from "../terminal.ts";

interface StdioOptions {
  readonly url?: string;
  readonly token?: string;
  readonly config?: string;
  readonly data?: string;
  readonly import: boolean;
}

/** How long answers may still take when the client has closed its end. Clients kill a server that takes much longer. */
const finishMs = 5_000;

export function stdioCommand(program: Command, terminal: Terminal): void {
  localVerb(program, {
    usage: "stdio",
    summary: "Speak MCP on standard input and output, for desktop clients that only launch a command",
    notes:
      "With --url it is a bridge to that node. Without, it uses the node of the data directory if one runs, and otherwise is one itself, as `signalbox dev` would start it, until its input ends. Launched several times, one process is the node and the others use it; when that one ends, another takes its place and sessions go on. A call that may have happened by then is answered with an error and not sent again. Everything for people is on standard error.",
    example: "signalbox stdio",
  })
    .option("--url <url>", "the node to bridge to (SIGNALBOX_URL)")
    .option(
      "--token <key>",
      "its API key or token; better in SIGNALBOX_TOKEN, where other processes do not see it",
    )
    .option("--config <file>", "the configuration (./signalbox.yaml)")
    .option("--data <dir>", "another data directory than the configuration's")
    .option("--no-import", "do not look into the files of other clients")
    .action(
      run(terminal, async (session, options: StdioOptions) => {
        const { output } = session;
        // Both may stand before the command as well.
        const given = { ...options, ...session.connectionOptions };
        const say = (sentence: string): void => output.remark(`signalbox: ${cleanLine(sentence)}`);
        const named = given.url ?? terminal.environment.variables["SIGNALBOX_URL"] ?? "";
        if (named === "") {
          const local = await localNode(terminal, given, output, say);
          try {
            await serve(terminal, local, say);
          } finally {
            await local.close();
          }
        } else await serve(terminal, new NamedNode(connectionFor(given, terminal.environment)), say);
      }),
    );
}

/** Until the input ends, or somebody ends us. */
async function serve(terminal: Terminal, link: Link, say: (sentence: string) => void): Promise<void> {
  const { clock, stdin, stdout } = terminal;
  const bridge = new Bridge({ clock, link, write: (line) => void stdout.write(`${line}\n`), say });
  const lines = new Lines(
    (line) => bridge.receive(line),
    (bytesMax) => say(`A message of more than ${bytesMax} bytes was left out.`),
  );
  const signals = new Signals();
  // Timers of ours keep no process alive, and the input may be over while a node is still looked for.
  const alive = new MessageChannel();
  alive.port1.on("message", () => undefined);
  try {
    // A node that cannot be had is said at once, and not with the first request.
    await link.target();
    const whole = new Promise<"input">((resolve) => {
      stdin.on("data", (chunk: Buffer) => lines.push(chunk));
      stdin.once("error", () => resolve("input"));
      stdin.once("end", () => {
        lines.end();
        resolve("input");
      });
    });
    const why = await Promise.race([whole, signals.first]);
    await bridge.finish(why === "input" ? finishMs : 0);
  } finally {
    signals.leave();
    alive.port1.close();
    stdin.destroy();
  }
}

const endings = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The first signal ends us in order, the second at once. */
class Signals {
  readonly first: Promise<"signal">;
  private onSignal: () => void = () => undefined;

  constructor() {
    this.first = new Promise((resolve) => {
      let isFirst = true;
      this.onSignal = () => {
        if (!isFirst) process.exit(exitCodes.failed);
        isFirst = false;
        resolve("signal");
      };
    });
    for (const signal of endings) process.on(signal, this.onSignal);
  }

  leave(): void {
    for (const signal of endings) process.off(signal, this.onSignal);
  }
}

async function localNode(
  { environment, clock }: Terminal,
  options: StdioOptions,
  output: Output,
  say: (sentence: string) => void,
): Promise<LocalNode> {
  const load = async (): Promise<Config> => {
    const { loadConfig } = await import("../../app/index.ts");
    const { config: file = null, data } = options;
    const loaded = loadConfig({ environment, file, ...(data === undefined ? {} : { data }) });
    if (!loaded.ok) throw configStop(loaded.refusal);
    return loaded.value.config;
  };
  return new LocalNode({
    dataDirectory: await dataDirectoryOf(options, environment.workingDirectory, load),
    config: load,
    findServers: options.import,
    host: {
      environment,
      clock,
      random: systemRandom,
      say: (kind, sentence) => output[kind === "warning" ? "warn" : "error"](cleanLine(sentence)),
      onFatal: (reason) => say(`The node of this process cannot go on: ${reason}.`),
    },
    say,
  });
}

/** Where there is no configuration, nothing of the house has to be loaded to find a node that runs. */
async function dataDirectoryOf(
  { config, data }: StdioOptions,
  workingDirectory: string,
  load: () => Promise<Config>,
): Promise<string | null> {
  if (data !== undefined) return data;
  const names = ["signalbox.yaml", "signalbox.yml"];
  const isConfigured = config !== undefined || names.some((name) => existsSync(join(workingDirectory, name)));
  return isConfigured ? (await load()).data.directory : null;
}
