import { join, relative } from "node:path";
import type { Command } from "commander";
import type { DevNode, Environment, LoadedConfig } from "../../app/index.ts";
import { bannerText } from "../banner.ts";
import { configStop } from "../config-stop.ts";
import { Stop, exitCodes, usage } from "../exit.ts";
import { Lifetime } from "../lifetime.ts";
import { loadNode } from "../load-node.ts";
import type { Session } from "../session.ts";
import { localVerb, run, wholeOf } from "../session.ts";
import type { Launch } from "../snippets.ts";
import { snippetsFor } from "../snippets.ts";
import type { Terminal } from "../terminal.ts";
import { Output } from "../terminal.ts";

interface ServeOptions extends WhereOptions {
  readonly bootstrapAdminKeyFile?: string;
  readonly name?: string;
  readonly role?: string;
}

interface WhereOptions {
  readonly config?: string;
  readonly host?: string;
  readonly port?: string;
}

interface DevOptions extends WhereOptions {
  readonly demo?: boolean;
  readonly import: boolean;
  readonly logToStderr?: boolean;
}

/** Servers that need longer are shown as connecting; they go on without the banner. */
const serversWaitMs = 5_000;

export function startCommands(program: Command, terminal: Terminal): void {
  where(
    localVerb(program, {
      usage: "dev",
      summary: "Start a node for development: comfortable, on this machine alone",
      notes:
        "Uses ./signalbox.yaml where there is one, finds the MCP servers of other clients, makes an agent with a token that stays the same, and prints how to connect.",
      example: "signalbox dev",
    }),
  )
    .option("--demo", "three reference servers (files, memory, everything) instead of what is found")
    .option("--no-import", "do not look into the files of other clients")
    .option("--log-to-stderr", "the node's log here instead of in the data directory")
    .action(
      run(terminal, async (session, options: DevOptions) => {
        const lifetime = new Lifetime(terminal, session.output);
        const { startDev } = await loadNode();
        const { config, file } = await configFor(session, terminal, options);
        const dev = await lifetime.start((host) =>
          startDev(
            {
              config,
              demo: options.demo ?? false,
              findServers: options.import,
              logToStderr: options.logToStderr ?? false,
            },
            host,
          ),
        );
        await announceDev(session, terminal, dev, file, config);
        await lifetime.untilStopped();
      }),
    );

  where(
    localVerb(program, {
      usage: "serve",
      summary: "Start a node for production: denies by default and refuses development defaults by name",
      notes:
        "On the first start nobody has a key: --bootstrap-admin-key-file writes one of the admin of tenant `system`, for one day, to a new file that only this user may read. With it, `signalbox tenants admin-key default` lets the first tenant's admin in. Once that admin has a key, the option does nothing.",
      example:
        "signalbox serve --config /etc/signalbox/signalbox.yaml --bootstrap-admin-key-file /run/signalbox/admin.key",
    }),
  )
    .option("--bootstrap-admin-key-file <file>", "where the first admin key is written, while there is none")
    .option("--name <name>", "another name of this node than the configuration's")
    .option("--role <roles>", "what this node does: edge, worker, console, with commas between (all)")
    .action(
      run(terminal, async (session, options: ServeOptions) => {
        const lifetime = new Lifetime(terminal, session.output);
        const { startServe } = await loadNode();
        const { config, file } = await configFor(session, terminal, options);
        if (file === null)
          throw usage("There is no configuration.", "Name it: signalbox serve --config signalbox.yaml");
        const keyFile = options.bootstrapAdminKeyFile ?? null;
        const served = await lifetime.start(async (host) => {
          const started = await startServe(config, keyFile, { ...host, say: null });
          if (started.ok) return started.value;
          throw new Stop("development-defaults", `${file} has settings that are not fit for production.`, {
            exitCode: exitCodes.refused,
            problems: started.refusal,
            hint: "Set each of them, or use `signalbox dev` for a try-out.",
          });
        });
        const { url } = served.running;
        if (served.firstKey === "written")
          session.output.remark(`The first admin key is in ${keyFile ?? ""}, for one day.`);
        session.print({
          json: { url, mcp: `${url}/mcp`, firstAdminKey: served.firstKey },
          human: () => `Signalbox serves at ${url} (MCP at ${url}/mcp).`,
        });
        await lifetime.untilStopped();
      }),
    );

  localVerb(program, {
    usage: "proxy",
    summary: "Put one MCP server behind a node, under its own tool names: a try-out in five seconds",
    notes: "On loopback, without a token, everything allowed; every call is on record.",
    example: "signalbox proxy --upstream http://localhost:3000/mcp --port 7070",
  })
    .requiredOption("--upstream <url>", "the server, over Streamable HTTP")
    .option("--port <port>", "where to listen (0 = any free one)", "7070")
    .option("--data <dir>", "data directory (./.signalbox/proxy)")
    .action(
      run(terminal, async (session, options: { upstream: string; port: string }) => {
        if (!/^https?:$/.test(URL.canParse(options.upstream) ? new URL(options.upstream).protocol : ""))
          throw usage(`--upstream is "${options.upstream}"; it is not an http or https address.`);
        const lifetime = new Lifetime(terminal, session.output);
        const port = wholeOf("--port", options.port, 0, 65_535);
        const { startProxy } = await loadNode();
        const { running } = await lifetime.start((host) =>
          startProxy({ upstreamUrl: options.upstream, port, data: session.data ?? null }, host),
        );
        const mcp = `${running.url}/mcp`;
        const curl = snippetsFor(mcp, null, thisProgram()).find(({ client }) => client === "curl");
        session.print({
          json: { url: running.url, mcp },
          human: ({ paint }) =>
            `${paint("bold", mcp)} leads to ${options.upstream}. No token is needed; every call is on record.\n\n${curl?.text ?? ""}\n`,
        });
        await lifetime.untilStopped();
      }),
    );
}

const where = (command: Command): Command =>
  command
    .option("--config <file>", "the configuration (./signalbox.yaml)")
    .option("--data <dir>", "another data directory than the configuration's")
    .option("--host <host>", "another address to listen on")
    .option("--port <port>", "another port to listen on (0 = any free one)");

async function configFor(
  session: Session,
  { environment }: Terminal,
  { config, host, port, name, role }: WhereOptions & ServeOptions,
): Promise<LoadedConfig> {
  const { loadConfig, nodeRoles } = await import("../../app/index.ts");
  const roles = role?.split(",").map((each) => {
    const known = nodeRoles.find((one) => one === each.trim());
    if (known === undefined) throw usage(`--role names "${each}"; there are ${nodeRoles.join(", ")}.`);
    return known;
  });
  const { data } = session;
  const loaded = loadConfig({
    environment,
    file: config ?? null,
    ...(data === undefined ? {} : { data }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port: wholeOf("--port", port, 0, 65_535) }),
    ...(name === undefined ? {} : { nodeName: name }),
    ...(roles === undefined ? {} : { roles }),
  });
  if (!loaded.ok) throw configStop(loaded.refusal);
  return loaded.value;
}

async function announceDev(
  session: Session,
  terminal: Terminal,
  dev: DevNode,
  file: string | null,
  { data: { directory: data }, listen: { signIn }, node: { roles } }: LoadedConfig["config"],
): Promise<void> {
  const mcpUrl = `${dev.url}/mcp`;
  session.output.remark("Connecting to the servers …");
  const servers = await dev.servers(serversWaitMs);
  const snippets = snippetsFor(mcpUrl, dev.agentKey ?? "<token>", thisProgram());
  const notes = [
    ...(file === null ? [] : [`Configured by ${file}.`]),
    ...(dev.imported.length === 0
      ? []
      : [`Found in the files of other clients and registered: ${dev.imported.join(", ")}.`]),
    ...dev.notes,
  ];
  // A person starts it, also where something else reads along: JSON only when it was asked for.
  const output = new Output(terminal, session.json ?? false);
  output.print({
    json: {
      url: dev.url,
      mcp: mcpUrl,
      token: dev.agentKey,
      connectionFile: dev.connectionFile,
      log: dev.logFile,
      servers,
      imported: dev.imported,
      notes,
      snippets,
    },
    human: (page) =>
      bannerText(
        {
          mcpUrl,
          token: dev.agentKey,
          tokenNote:
            dev.agentKey === null
              ? 'none: the agent "dev" is disabled'
              : 'agent "dev", the same at every start',
          signsIn: signIn && roles.includes("edge"),
          servers,
          data,
          log: dev.logFile,
          notes,
          snippets,
          program: programName(terminal.environment),
          // The command line looks in `.signalbox` of where it is called.
          elsewhere: data === join(terminal.environment.workingDirectory, ".signalbox") ? null : data,
        },
        page,
      ),
  });
}

/** From a checkout there is no `signalbox` on PATH, and npm finds its script only in there. */
function programName({ workingDirectory }: Environment): string {
  if (!import.meta.filename.endsWith(".ts")) return "npx signalbox";
  const checkout = join(import.meta.dirname, "../../..");
  const isInside = !relative(checkout, workingDirectory).startsWith("..");
  return isInside ? "npm run -s signalbox --" : thisProgram().join(" ");
}

/** As it was started, so that what is printed works from anywhere. */
const thisProgram = (): Launch => [process.execPath, process.argv[1] ?? "signalbox"];
