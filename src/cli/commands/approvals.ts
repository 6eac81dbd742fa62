import type { Command } from "commander";
import { cleanLines } from "../clean.ts";
import type { Client } from "../client.ts";
import { api } from "../client.ts";
import { Stop, usage } from "../exit.ts";
import { colourOfState } from "../paint.ts";
import type { Session } from "../session.ts";
import { apiVerb, limitOf, limitOption, noun, oneOf, run } from "../session.ts";
import type { Field, ReceiptReference } from "../show.ts";
import { done, instantText, listed } from "../show.ts";
import { fieldsText } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const states = ["pending", "approved", "used", "denied", "expired", "void"] as const;

/** As `/approvals` answers. */
interface Approval {
  readonly id: string;
  readonly state: (typeof states)[number];
  readonly call: string;
  readonly name: string;
  /** Who asks, then on whose behalf. */
  readonly names: readonly string[];
  readonly run: string | null;
  readonly step: string | null;
  readonly intent: string;
  readonly requestedAt: string;
  readonly expiresAt: string;
  readonly rules: readonly {
    readonly policy: string;
    /** Left out by a node of the version before. */
    readonly reason?: string | null;
    readonly groups: readonly string[];
    readonly quorum: number;
    readonly endorses: readonly string[];
    readonly approvals: number;
  }[];
  readonly mayDecide: boolean;
  readonly whyNot: string | null;
}

interface Detailed {
  readonly approval: Approval;
  readonly votes: readonly { readonly name: string; readonly vote: string; readonly at: string }[];
  readonly shown: string | null;
}

interface Decided {
  readonly approval: Approval;
  readonly isDecided: boolean;
  readonly receipt: ReceiptReference;
}

export function approvalsCommand(program: Command, terminal: Terminal): void {
  const approvals = noun(program, "approvals", "Calls that people are asked about, and their yes or no");

  apiVerb(approvals, {
    usage: "ls",
    summary: "List what people are asked about, oldest first",
    example: "signalbox approvals ls",
  })
    .option("--state <state>", `${states.join(", ")} (default: pending)`)
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string; state?: string }) => {
        const state = oneOf("--state", options.state ?? "pending", states);
        const found = await session.api().list<Approval>("/approvals", limitOf(options.limit), { state });
        session.print(listed(found, columns, `Nobody is asked about anything that is ${state}.`));
      }),
    );

  apiVerb(approvals, {
    usage: "show <approval>",
    summary: "Show exactly what will run when it is approved",
    notes:
      "Signs that hide or reorder what stands around them are shown as their numbers, like ⟨U+202E⟩. That you have looked is recorded.",
    example: "signalbox approvals show apr_01jd…",
  }).action(
    run(terminal, async (session, id: string) => {
      const found = await session.api().get<Detailed>(api`/approvals/${id}`);
      session.print({
        json: found,
        human: ({ paint }) => `${fieldsText(fields(found), paint)}\n\n${question(found)}`,
      });
    }),
  );

  apiVerb(approvals, {
    usage: "approve <approval> <intent>",
    summary: "Say yes to exactly what you were shown",
    notes:
      "The intent (or at least 8 of its digits) is the one you have looked at, from `approvals show`. The call runs when its caller comes back for it, once.",
    example: "signalbox approvals approve apr_01jd… 3f9a1c07",
  })
    .option("--reason <text>", "kept with your vote")
    .action(
      run(terminal, async (session, id: string, intent: string, { reason = "" }: { reason?: string }) => {
        await decide(session, { id, intent, reason, verb: "approve" });
      }),
    );

  apiVerb(approvals, {
    usage: "deny <approval> <intent>",
    summary: "Say no; one no is enough",
    example: 'signalbox approvals deny apr_01jd… 3f9a1c07 --reason "it was paid on Monday"',
  })
    .requiredOption("--reason <text>", "the agent is told this, in your words")
    .action(
      run(terminal, async (session, id: string, intent: string, { reason }: { reason: string }) => {
        await decide(session, { id, intent, reason, verb: "deny" });
      }),
    );
}

interface Deciding {
  readonly id: string;
  readonly intent: string;
  readonly reason: string;
  readonly verb: "approve" | "deny";
}

async function decide(session: Session, { id, intent, reason, verb }: Deciding): Promise<void> {
  const client = session.api();
  const whole = await intentMeant(client, id, intent);
  const body = { intent: whole, reason };
  const answer = await client.post<Decided>(`${api`/approvals/${id}`}/${verb}`, body);
  session.print(done(answer, sentence(answer, verb)));
}

/** From its first digits, of what is asked about now: if that has changed since it was shown, nothing is decided. */
async function intentMeant(client: Client, id: string, prefix: string): Promise<string> {
  if (!/^[0-9a-f]{8,64}$/.test(prefix))
    throw usage("An intent is 8 to 64 hexadecimal digits.", `signalbox approvals show ${id}`);
  const { approval } = await client.get<Detailed>(api`/approvals/${id}`);
  if (approval.intent.startsWith(prefix)) return approval.intent;
  throw new Stop("conflict", `What is asked about is ${approval.intent.slice(0, 12)}…, not what you name.`, {
    hint: `Look at it: signalbox approvals show ${id}`,
  });
}

function sentence({ approval, isDecided }: Decided, verb: "approve" | "deny"): string {
  if (verb === "deny") return `Denied: ${approval.name} does not run, and its caller is told why.`;
  if (isDecided) return `Approved: ${approval.name} runs once, when its caller comes back for it.`;
  const open = approval.rules.filter(({ approvals, quorum }) => approvals < quorum);
  const missing = open.map(
    ({ groups, quorum, approvals }) => `${quorum - approvals} more of ${groups.join(" or ")}`,
  );
  return `Your yes counts; it still needs ${missing.join(" and ")}.`;
}

const requester = ({ names }: Approval): string => names.join(" for ");

const columns = [
  { title: "approval", of: ({ id }: Approval) => id, keep: true },
  { title: "call", of: ({ name }: Approval) => name },
  { title: "by", of: requester },
  { title: "asked", of: ({ rules }: Approval) => rules.flatMap(({ groups }) => groups).join(" ") },
  {
    title: "why",
    of: ({ rules }: Approval) => rules.flatMap(({ reason }) => reason ?? []).join(" / ") || null,
  },
  { title: "until", of: ({ expiresAt }: Approval) => instantText(expiresAt) },
  {
    title: "you",
    of: ({ mayDecide }: Approval) => (mayDecide ? "may decide" : ""),
    colour: () => "green" as const,
  },
];

const fields = ({ approval, votes, shown }: Detailed): readonly Field[] => [
  ["approval", approval.id, "bold"],
  ["state", approval.state, colourOfState(approval.state)],
  ["call", approval.name, "bold"],
  ["by", requester(approval)],
  ["run", approval.run],
  ["step", approval.step],
  ["arguments", shown ?? "erased"],
  ["intent", approval.intent],
  ["asked", `${instantText(approval.requestedAt) ?? ""} until ${instantText(approval.expiresAt) ?? ""}`],
  ...approval.rules.flatMap(({ policy, reason, groups, quorum, approvals, endorses }): readonly Field[] => [
    ["needs", `${approvals} of ${quorum} by ${groups.join(" or ")} (${policy})`],
    ["because", reason ?? null],
    ["endorses", endorses.length === 0 ? null : `${endorses.join(" ")} for the whole run`, "yellow"],
  ]),
  ...votes.map(({ name, vote, at }): Field => ["vote", `${vote} by ${name}, ${instantText(at) ?? at}`]),
];

function question({ approval }: Detailed): string {
  if (approval.state !== "pending") return "";
  if (!approval.mayDecide) return `You do not decide about it: ${cleanLines(approval.whyNot ?? "")}.`;
  const intent = approval.intent.slice(0, 16);
  return [
    `Yes: signalbox approvals approve ${approval.id} ${intent}`,
    `No:  signalbox approvals deny ${approval.id} ${intent} --reason "…"`,
  ].join("\n");
}
