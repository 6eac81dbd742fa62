import type { Command } from "commander";
import { cleanLines } from "../clean.ts";
import { api } from "../client.ts";
import { Stop, usage } from "../exit.ts";
import type { Paint } from "../paint.ts";
import { colourOfState } from "../paint.ts";
import { apiVerb, limitOf, limitOption, noun, oneOf, run } from "../session.ts";
import type { Field, ReceiptReference } from "../show.ts";
import { done, instantText, listed, shown } from "../show.ts";
import type { Terminal } from "../terminal.ts";
import { classFrom } from "./server-options.ts";

/** As `/tools` answers. */
interface Tool {
  readonly name: string;
  readonly id: string;
  readonly server: string;
  readonly title: string | null;
  readonly description: string | null;
  readonly class: {
    readonly kind: string;
    readonly keyArgument?: string;
    readonly verifyTool?: string;
    readonly verifyArguments?: readonly string[];
    readonly probe?: { readonly arguments: Readonly<Record<string, unknown>>; readonly everyMs?: number };
  };
  readonly pin: string;
  readonly state: "live" | "quarantined" | "gone";
  readonly health: { readonly state: string; readonly reason?: string };
  readonly probed: {
    readonly at: string;
    readonly found: "well" | "flawed" | "ill" | "unmade";
    readonly reason: string | null;
  } | null;
  readonly callable: boolean;
  readonly why: string | null;
}

interface Detailed {
  readonly tool: Tool;
  readonly definition: Readonly<Record<string, unknown>>;
  readonly offered: {
    readonly pin: string;
    readonly since: string;
    readonly differences: readonly {
      readonly pointer: string;
      readonly kind: "added" | "removed" | "changed";
      readonly before: string | null;
      readonly after: string | null;
    }[];
    readonly isCut: boolean;
  } | null;
}

export function toolsCommand(program: Command, terminal: Terminal): void {
  const tools = noun(
    program,
    "tools",
    "What agents can call, and whether its definition is the approved one",
  );

  apiVerb(tools, {
    usage: "ls",
    summary: "List the tools with class, state and health",
    example: "signalbox tools ls --state quarantined",
  })
    .option("--server <server>", "only this server's")
    .option("--state <state>", "only those that are live, quarantined or gone")
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string; server?: string; state?: string }) => {
        const state =
          options.state === undefined
            ? undefined
            : oneOf("--state", options.state, ["live", "quarantined", "gone"]);
        const found = await session
          .api()
          .list<Tool>("/tools", limitOf(options.limit), { server: options.server, state });
        session.print(listed(found, columns, "There are no such tools."));
      }),
    );

  apiVerb(tools, {
    usage: "show <tool>",
    summary: "Show a tool and its approved definition",
    example: "signalbox tools show files__read_text_file",
  }).action(
    run(terminal, async (session, name: string) => {
      const found = await session.api().get<Detailed>(api`/tools/${name}`);
      session.print(shown(found, fields(found)));
    }),
  );

  apiVerb(tools, {
    usage: "diff <tool>",
    summary: "Show how what a server offers differs from what was approved",
    notes: "Ends with the pin to approve.",
    example: "signalbox tools diff files__read_text_file",
  }).action(
    run(terminal, async (session, name: string) => {
      const { tool, offered } = await session.api().get<Detailed>(api`/tools/${name}`);
      session.print({
        json: { tool: tool.name, pin: tool.pin, offered },
        human: ({ paint }) =>
          offered === null
            ? `${tool.name} is offered as it was approved.`
            : diffText(tool.name, offered, paint),
      });
    }),
  );

  apiVerb(tools, {
    usage: "approve <tool> <pin>",
    summary: "Approve the changed definition of a quarantined tool",
    notes:
      "The pin (or at least 8 of its digits) is that of the definition you have looked at, from `tools diff`; when the server has changed its mind since, nothing happens.",
    example: "signalbox tools approve files__read_text_file 3f9a1c07",
  }).action(
    run(terminal, async (session, name: string, pin: string) => {
      if (!/^[0-9a-f]{8,64}$/.test(pin))
        throw usage("A pin is 8 to 64 hexadecimal digits.", `signalbox tools diff ${name}`);
      const client = session.api();
      const { tool, offered } = await client.get<Detailed>(api`/tools/${name}`);
      if (offered === null)
        throw new Stop("conflict", `${tool.name} is not quarantined: it is offered as it was approved.`);
      if (!offered.pin.startsWith(pin)) {
        throw new Stop(
          "conflict",
          `The server offers another definition than the one you name: ${offered.pin.slice(0, 12)}….`,
          {
            hint: `Look at it: signalbox tools diff ${name}`,
          },
        );
      }
      const answer = await client.post<{ classReset: string | null; receipt: ReceiptReference }>(
        api`/tools/${name}/approve`,
        { pin: offered.pin },
      );
      const reset: readonly Field[] =
        answer.classReset === null ? [] : [["class is effect again", answer.classReset, "yellow"]];
      session.print(done(answer, `Approved: ${tool.name} can be called again.`, reset));
    }),
  );

  apiVerb(tools, {
    usage: "set-class <tool> <class>",
    summary: "Say what repeating a call of this tool means",
    notes:
      'read, effect, idempotent:<key argument> or verifiable:<tool that answers whether it happened>. That tool must be of class read and is given the call\'s arguments, or those named after another colon. `read:{"path":"/"}` also has the node call the tool with these arguments, every five minutes or as often as another colon says, and hide it from agents while it does not work.',
    example: "signalbox tools set-class bank__transfer idempotent:requestId",
  }).action(
    run(terminal, async (session, name: string, said: string) => {
      const answer = await session
        .api()
        .put<{ receipt: ReceiptReference }>(api`/tools/${name}/class`, classFrom("class", said));
      session.print(done(answer, `${name} is of class ${said}.`));
    }),
  );

  apiVerb(tools, {
    usage: "forget <tool>",
    summary: "Forget a tool that is gone, with all its definitions",
    example: "signalbox tools forget files__old_tool",
  }).action(
    run(terminal, async (session, name: string) => {
      const answer = await session.api().delete<{ receipt: ReceiptReference }>(api`/tools/${name}`);
      session.print(done(answer, `Forgot ${name}.`));
    }),
  );
}

const columns = [
  { title: "name", of: (tool: Tool) => tool.name, keep: true },
  { title: "class", of: (tool: Tool) => tool.class.kind },
  { title: "state", of: (tool: Tool) => tool.state, colour: (tool: Tool) => colourOfState(tool.state) },
  {
    title: "callable",
    of: (tool: Tool) => (tool.callable ? "yes" : "no"),
    colour: (tool: Tool) => (tool.callable ? ("plain" as const) : ("yellow" as const)),
  },
  {
    title: "description",
    of: (tool: Tool) => tool.why ?? tool.health.reason ?? tool.title ?? tool.description ?? "",
  },
];

const fields = ({ tool, definition, offered }: Detailed): readonly Field[] => [
  ["name", tool.name, "bold"],
  ["id", tool.id],
  ["server", tool.server],
  [
    "class",
    [tool.class.kind, tool.class.keyArgument ?? tool.class.verifyTool, tool.class.verifyArguments?.join(",")]
      .filter((part) => part !== undefined)
      .join(":"),
  ],
  ["state", tool.state, colourOfState(tool.state)],
  ["health", healthText(tool.health), colourOfState(tool.health.state)],
  ["probed with", tool.class.probe === undefined ? null : JSON.stringify(tool.class.probe.arguments)],
  ["last probe", tool.class.probe === undefined ? null : probedText(tool.probed)],
  ["callable", tool.callable ? "yes" : `no: ${tool.why ?? ""}`],
  ["pin", tool.pin],
  [
    "offered",
    offered === null
      ? null
      : `${offered.pin} since ${instantText(offered.since) ?? ""}; see \`signalbox tools diff\``,
    "yellow",
  ],
  ["definition", JSON.stringify(definition, null, 2)],
];

const healthText = ({ state, reason }: Tool["health"]): string =>
  reason === undefined ? state : `${state}: ${reason}`;

function probedText(probed: Tool["probed"]): string {
  if (probed === null) return "none yet";
  const { at, found, reason } = probed;
  const what = { well: "well", flawed: "flawed", ill: "ill", unmade: "could not be made" }[found];
  return `${instantText(at) ?? ""}: ${what}${reason === null ? "" : `: ${reason}`}`;
}

function diffText(name: string, offered: NonNullable<Detailed["offered"]>, paint: Paint): string {
  const lines = offered.differences.flatMap(({ pointer, before, after }) => [
    paint("cyan", cleanLines(pointer === "" ? "(whole)" : pointer)),
    ...side("-", before, (text) => paint("red", text)),
    ...side("+", after, (text) => paint("green", text)),
  ]);
  return [
    `${paint("bold", cleanLines(name))}: offered since ${instantText(offered.since) ?? ""} with another definition`,
    ...lines,
    ...(offered.isCut
      ? [paint("dim", "There is more; --json shows both definitions' pins and every difference kept.")]
      : []),
    "",
    `To approve it: signalbox tools approve ${cleanLines(name)} ${offered.pin.slice(0, 16)}`,
  ].join("\n");
}

/** What a server says is data: a line of it must not look like one of ours. */
const side = (sign: string, text: string | null, colour: (text: string) => string): readonly string[] =>
  text === null
    ? []
    : cleanLines(text)
        .split("\n")
        .map((line) => colour(`  ${sign} ${line}`));
