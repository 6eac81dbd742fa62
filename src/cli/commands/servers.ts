import type { Command } from "commander";
import { api } from "../client.ts";
import { usage } from "../exit.ts";
import { colourOfState } from "../paint.ts";
import type { Session } from "../session.ts";
import { apiVerb, limitOf, limitOption, noun, run } from "../session.ts";
import type { Field, ReceiptReference } from "../show.ts";
import { done, instantText, listed, shown } from "../show.ts";
import type { Terminal } from "../terminal.ts";
import type { Authorization } from "./server-authorization.ts";
import { authorizationFields, serverAuthorizationVerbs } from "./server-authorization.ts";
import type { ServerOptions } from "./server-options.ts";
import { addServerOptions, settingsFrom, transportFrom } from "./server-options.ts";
import { reachedBy, serverVersionsVerb } from "./server-versions.ts";

/** As `/servers` answers. */
interface Server {
  readonly id: string;
  readonly name: string;
  readonly transport:
    | {
        readonly kind: "stdio";
        readonly command: string;
        readonly args: readonly string[];
        readonly env: Values;
        readonly cwd: string | null;
      }
    | { readonly kind: "http"; readonly url: string; readonly headers: Values };
  readonly enabled: boolean;
  readonly era: string | null;
  readonly callTimeoutMs: number;
  readonly concurrencyMax: number;
  readonly resultBytesMax: number;
  readonly origin: "file" | "api";
  readonly version: number;
  readonly health: Health;
}

type Values = Readonly<
  Record<string, { readonly literal?: string; readonly vault?: string; readonly hidden?: number }>
>;

interface Health {
  readonly state: string;
  readonly since: string;
  readonly cause?: string;
  readonly reason?: string;
}

interface Done {
  readonly server: Server;
  readonly receipt: ReceiptReference;
}

export function serversCommand(program: Command, terminal: Terminal): void {
  const servers = noun(
    program,
    "servers",
    "What offers tools: MCP servers, started here or reached over HTTP",
  );

  apiVerb(servers, {
    usage: "ls",
    summary: "List the servers with their health",
    example: "signalbox servers ls",
  })
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string }) => {
        const found = await session.api().list<Server>("/servers", limitOf(options.limit));
        session.print(
          listed(found, columns, "There are no servers yet: `signalbox servers add` or `signalbox import`."),
        );
      }),
    );

  apiVerb(servers, {
    usage: "show <server>",
    summary: "Show a server with its settings, health, connection and what it offers",
    example: "signalbox servers show files",
  }).action(
    run(terminal, async (session, name: string) => {
      const found = await session.api().get<{
        server: Server;
        connection: Connection | null;
        authorization: Authorization | null;
        offers: Offers;
      }>(api`/servers/${name}`);
      const offers: Field = ["offers", offersText(found.offers)];
      const authorization = authorizationFields(found.server.name, found.authorization);
      session.print(shown(found, [...fields(found.server, found.connection), ...authorization, offers]));
    }),
  );

  serverVersionsVerb(servers, terminal);

  const add = apiVerb(servers, {
    usage: "add <name> [command...]",
    summary: "Add a server: a program with its arguments after --, or --upstream",
    notes:
      "A value may be ${vault:name}, which stays a reference; `signalbox vault put name` puts the secret there.",
    example:
      "signalbox servers add github --env 'GITHUB_TOKEN=${vault:github.token}' -- github-mcp-server stdio",
  });
  addServerOptions(add).action(
    run(terminal, async (session, name: string, command: readonly string[], options: ServerOptions) => {
      const transport = transportFrom(command, options, (text) => session.output.warn(text));
      if (transport === null)
        throw usage("Say how the server is reached: a program after --, or --upstream URL.");
      const answer = await session
        .api()
        .post<Done>("/servers", { name, transport, ...settingsFrom(options) });
      session.print(
        done(answer, `Added the server ${name}. \`signalbox servers show ${name}\` shows its health.`),
      );
    }),
  );

  const change = apiVerb(servers, {
    usage: "change <server> [command...]",
    summary: "Change settings of a server",
    notes:
      "How it is reached is replaced as a whole: with --upstream or a program after --, say all of it again.",
    example: "signalbox servers change github --call-timeout 2m --concurrency 4",
  }).option("--name <name>", "a new name; tools get new names with it");
  addServerOptions(change).action(
    run(
      terminal,
      async (
        session,
        name: string,
        command: readonly string[],
        options: ServerOptions & { name?: string },
      ) => {
        const transport = transportFrom(command, options, (text) => session.output.warn(text));
        const patch = {
          ...(options.name === undefined ? {} : { name: options.name }),
          ...(transport === null ? {} : { transport }),
          ...settingsFrom(options),
        };
        if (Object.keys(patch).length === 0)
          throw usage("There is nothing to change.", "signalbox servers change --help");
        const answer = await session.api().patch<Done>(api`/servers/${name}`, patch);
        session.print(
          done(
            answer,
            `Changed the server ${answer.server.name}; it is at version ${answer.server.version}.`,
          ),
        );
      },
    ),
  );

  apiVerb(servers, {
    usage: "rm <server>",
    summary: "Remove a server and its tools; its versions are kept",
    example: "signalbox servers rm github",
  }).action(
    run(terminal, async (session, name: string) => {
      const answer = await session.api().delete<{ receipt: ReceiptReference }>(api`/servers/${name}`);
      session.print(done(answer, `Removed the server ${name} and its tools.`));
    }),
  );

  simple(servers, terminal, "enable", "Connect a server again", "is enabled");
  simple(servers, terminal, "disable", "Disconnect a server and keep its settings", "is disabled");

  serverAuthorizationVerbs(servers, terminal);

  apiVerb(servers, {
    usage: "probe <server>",
    summary: "Probe a server now, connecting if need be",
    example: "signalbox servers probe files",
  }).action(
    run(terminal, async (session, name: string) => {
      const answer = await session
        .api()
        .post<{ health: Health; receipt: ReceiptReference }>(api`/servers/${name}/probe`);
      session.print(shown(answer, healthFields(answer.health)));
    }),
  );
}

function simple(
  servers: Command,
  terminal: Terminal,
  name: "enable" | "disable",
  summary: string,
  isNow: string,
): void {
  apiVerb(servers, { usage: `${name} <server>`, summary, example: `signalbox servers ${name} files` }).action(
    run(terminal, async (session: Session, server: string) => {
      const answer = await session.api().post<Done>(api`/servers/${server}/${name}`);
      session.print(done(answer, `The server ${server} ${isNow}.`));
    }),
  );
}

const stateOf = (server: Server): string => (server.enabled ? server.health.state : "disabled");

const columns = [
  { title: "name", of: (server: Server) => server.name, keep: true },
  { title: "state", of: stateOf, colour: (server: Server) => colourOfState(stateOf(server)), keep: true },
  { title: "reached by", of: (server: Server) => reachedBy(server.transport) },
  { title: "origin", of: (server: Server) => server.origin },
  { title: "why", of: (server: Server) => server.health.reason ?? "" },
];

interface Connection {
  readonly state: string;
  readonly era: string | null;
  readonly inFlight: number;
  readonly counts: Readonly<Record<string, number>>;
}

function fields(server: Server, connection: Connection | null): readonly Field[] {
  const { transport } = server;
  const values = Object.entries(transport.kind === "http" ? transport.headers : transport.env);
  return [
    ["name", server.name, "bold"],
    ["id", server.id],
    ["state", stateOf(server), colourOfState(stateOf(server))],
    ...healthFields(server.health).slice(1),
    ["reached by", reachedBy(server.transport)],
    ["in folder", transport.kind === "stdio" ? transport.cwd : null],
    [
      transport.kind === "http" ? "headers" : "environment",
      values.length === 0 ? null : values.map(valueText).join("\n"),
    ],
    ["era", server.era ?? "not known yet"],
    ["call timeout", `${server.callTimeoutMs} ms`],
    ["calls at once", String(server.concurrencyMax)],
    ["largest result", `${server.resultBytesMax} bytes`],
    ["origin", server.origin === "file" ? "the configuration file, which alone changes it" : "the API"],
    ["version", String(server.version)],
    [
      "connection",
      connection === null ? "none" : `${connection.state}, ${connection.inFlight} calls in flight`,
    ],
    [
      "left out",
      (connection?.counts["dropped-tool"] ?? 0) === 0
        ? null
        : "tools that it lists twice, or without a name or schema that could be used",
      "yellow",
    ],
  ];
}

interface Offers {
  readonly tools: number;
  readonly toolsCallable: number;
  readonly resources: number;
  readonly templates: number;
  readonly prompts: number;
  readonly skills: number;
}

const offersText = ({ tools, toolsCallable, resources, templates, prompts, skills }: Offers): string => {
  const others = tools - toolsCallable;
  const left = others > 0 ? ` (${others} of them cannot be called)` : "";
  return `${tools} tools${left}, ${resources} resources, ${templates} resource templates, ${prompts} prompts, ${skills} skills`;
};

const valueText = ([name, { literal, vault, hidden }]: readonly [string, Values[string]]): string =>
  `${name}=${vault === undefined ? (literal ?? `[${hidden ?? 0} characters, not shown]`) : `\${vault:${vault}}`}`;

const healthFields = (health: Health): readonly Field[] => [
  ["health", health.state, colourOfState(health.state)],
  ["since", instantText(health.since)],
  ["cause", health.cause ?? null],
  ["why", health.reason ?? null],
];
