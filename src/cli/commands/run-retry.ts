import type { Command } from "commander";
import type { Client, Listed } from "../client.ts";
import { api } from "../client.ts";
import { Quietly, Stop, exitCodes, usage } from "../exit.ts";
import { apiVerb, limitOf, limitOption, run, wholeOf } from "../session.ts";
import type { ReceiptReference } from "../show.ts";
import { done, instantText, listed } from "../show.ts";
import { tableText } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { endOf } from "./run-end.ts";
import { runId } from "./run-id.ts";
import type { Run } from "./run-shape.ts";
import { deadText } from "./run-shape.ts";
import { nameFinder } from "./who.ts";

/** What a person does with runs that stand still. */
export function runRetryVerbs(runs: Command, terminal: Terminal): void {
  apiVerb(runs, {
    usage: "dead",
    summary: "List the dead letters: runs that cannot go on by themselves",
    notes: "Have them tried again with `runs retry`, or give them up with `runs drop`.",
    example: "signalbox runs dead --errors",
  })
    .option("--errors", "what the agent of each said last; that you looked is recorded")
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string; errors?: boolean }) => {
        const client = session.api();
        const { items, next } = await client.list<Run>("/runs", limitOf(options.limit), { state: "dead" });
        const who = await nameFinder(
          session,
          items.map(({ principals }) => principals),
        );
        const letters: readonly Letter[] = options.errors === true ? await withErrors(client, items) : items;
        const columns = [
          { title: "name", of: (each: Letter) => each.name },
          { title: "why", of: (each: Letter) => deadText(each) },
          { title: "by", of: (each: Letter) => who(each.principals) },
          { title: "starts", of: (each: Letter) => each.starts, align: "right" as const },
          { title: "since", of: (each: Letter) => instantText(each.endedAt) },
          ...(options.errors === true
            ? [{ title: "last error", of: (each: Letter) => each.lastError?.split("\n", 1)[0] ?? "" }]
            : []),
          { title: "run", of: (each: Letter) => each.run, keep: true },
        ];
        session.print(listed({ items: letters, next }, columns, "No run is dead."));
      }),
    );

  apiVerb(runs, {
    usage: "retry [runs...]",
    summary: "Have dead runs tried again: they go on where they stood",
    notes: "The same run, with its steps on record; its starts and losses are counted anew.",
    example: "signalbox runs retry invoice-2026-0417",
  })
    .option("--all", "every dead run, up to --limit")
    .option("--deadline <seconds>", "from now; left out, the run's own stays")
    .addOption(limitOption())
    .action(
      run(terminal, async (session, given: readonly string[], options: RetryOptions) => {
        if (given.length > 0 === (options.all === true))
          throw usage("Name the runs to retry, or say --all.", "signalbox runs dead");
        const client = session.api();
        const { deadline } = options;
        const body =
          deadline === undefined
            ? {}
            : { deadlineMs: 1_000 * wholeOf("--deadline", deadline, 1, deadlineSecondsMax) };
        const retry = (id: string) => client.post<Acted>(api`/runs/${id}/retry`, body);
        const [only] = given;
        if (given.length === 1 && only !== undefined) {
          session.print(done(await retry(await runId(client, only)), `${only} is tried again.`));
          return;
        }
        const { items: dead, next } =
          options.all === true ? await deadRuns(client, options.limit) : await named(client, given);
        const items: Retried[] = [];
        for (const each of dead) items.push(await triedAgain(each, retry));
        session.print({
          json: { items, next },
          human: (page) => {
            if (items.length === 0) return "No run is dead.";
            const more = next === null ? "" : `\n${page.paint("dim", "There are more dead runs: --limit")}`;
            return tableText(retriedColumns, items, page) + more;
          },
        });
        if (items.some(({ error }) => error !== null)) throw new Quietly(exitCodes.failed);
      }),
    );

  apiVerb(runs, {
    usage: "drop <run>",
    summary: "Give a dead run up: it has failed",
    notes: "Final. `runs fork` makes another run that goes on from its steps.",
    example: 'signalbox runs drop invoice-2026-0417 --reason "paid by hand"',
  })
    .requiredOption("--reason <text>", "kept with the entry of its end")
    .action(
      run(terminal, async (session, given: string, { reason }: { reason: string }) => {
        const client = session.api();
        const id = await runId(client, given);
        session.print(done(await client.post<Acted>(api`/runs/${id}/drop`, { reason }), `Dropped ${given}.`));
      }),
    );

  apiVerb(runs, {
    usage: "resume <run>",
    summary: "Have an open run whose agent is away go on now",
    notes: "Its agent looks whether what it waits for has come, and rests again where it has not.",
    example: "signalbox runs resume invoice-2026-0417",
  }).action(
    run(terminal, async (session, given: string) => {
      const client = session.api();
      const id = await runId(client, given);
      session.print(done(await client.post<Acted>(api`/runs/${id}/resume`), `${given} is due.`));
    }),
  );
}

/** Thirty days, as the API has it. */
export const deadlineSecondsMax = 30 * 24 * 60 * 60;

interface RetryOptions {
  readonly limit: string;
  readonly all?: boolean;
  readonly deadline?: string;
}

interface Acted {
  readonly run: string;
  readonly receipt: ReceiptReference;
}

/** `lastError`: left out where nobody asked; null = it said nothing, or it was erased. */
type Letter = Run & { readonly lastError?: string | null };

interface Retried {
  readonly run: string;
  readonly name: string;
  readonly receipt: ReceiptReference | null;
  /** null = it is tried again. */
  readonly error: string | null;
}

async function withErrors(client: Client, dead: readonly Run[]): Promise<readonly Letter[]> {
  const letters: Letter[] = [];
  for (const each of dead) {
    const end = await endOf(client, each);
    letters.push({ ...each, lastError: end?.note?.last ?? null });
  }
  return letters;
}

const deadRuns = (client: Client, limit: string): Promise<Listed<Named>> =>
  client.list<Run>("/runs", limitOf(limit), { state: "dead" });

type Named = Pick<Run, "run" | "name">;

async function named(client: Client, given: readonly string[]): Promise<Listed<Named>> {
  const found: Named[] = [];
  for (const name of given) found.push({ run: await runId(client, name), name });
  return { items: found, next: null };
}

/** One that cannot be tried again keeps none of the others from it. */
async function triedAgain({ run: id, name }: Named, retry: (id: string) => Promise<Acted>): Promise<Retried> {
  try {
    return { run: id, name, receipt: (await retry(id)).receipt, error: null };
  } catch (thrown) {
    if (!(thrown instanceof Stop)) throw thrown;
    return { run: id, name, receipt: null, error: thrown.message };
  }
}

const retriedColumns = [
  { title: "name", of: (each: Retried) => each.name },
  { title: "now", of: (each: Retried) => each.error ?? "tried again" },
  { title: "run", of: (each: Retried) => each.run, keep: true },
];
