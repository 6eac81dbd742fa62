import type { Command } from "commander";
import { api } from "../client.ts";
import { usage } from "../exit.ts";
import { apiVerb, limitOf, limitOption, noun, run } from "../session.ts";
import type { ReceiptReference } from "../show.ts";
import { done, instantText } from "../show.ts";
import type { Column } from "../table.ts";
import { tableText } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { runId } from "./run-id.ts";
import type { Run } from "./run-shape.ts";

interface Review {
  readonly review: { readonly since: string; readonly reason: string; readonly detail: string } | null;
}

const columns: readonly Column<Run>[] = [
  { title: "name", of: (each) => each.name },
  { title: "attempt", of: (each) => each.attempt, align: "right" },
  { title: "by", of: (each) => each.principals.join(" for ") },
  { title: "since", of: (each) => instantText(each.createdAt) },
  { title: "run", of: (each) => each.run, keep: true },
];

/** What waits for people since the data was brought back to an earlier state. */
export function addRunsReview(runs: Command, terminal: Terminal): void {
  const review = noun(
    runs,
    "review",
    "What waits for people since the data was brought back to an earlier state",
  );

  apiVerb(review, {
    usage: "ls",
    summary: "Say whether there is a review, why, and which runs wait in it",
    example: "signalbox runs review ls",
  })
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string }) => {
        const client = session.api();
        const { review: on } = await client.get<Review>("/review");
        const found = await client.list<Run>("/runs", limitOf(options.limit), { state: "review" });
        session.print({
          json: { review: on, items: found.items, next: found.next },
          human: (page) => {
            if (on === null) return "There is no review.";
            const why = `In review since ${instantText(on.since) ?? ""}: ${on.detail}.`;
            const rows =
              found.items.length === 0 ? "No run waits in it." : tableText(columns, found.items, page);
            const more = found.next === null ? "" : `\n${page.paint("dim", "There are more: --limit")}`;
            return `${why}\nNames of runs, steps and keys that are not on record are refused until \`runs review release --all\`.\n\n${rows}${more}`;
          },
        });
      }),
    );

  apiVerb(review, {
    usage: "release [run]",
    summary: "Let one run go on, or with --all every one, and end the review",
    notes:
      "By its id, or by its name where only one run has it. What is on record comes back as it is; the first step that is not is done, also if it was done in the time that the data has lost: look at that first. `runs fork` and `runs cancel` are the other ways on.",
    example: 'signalbox runs review release --all --reason "compared with the bank\'s list of payments"',
  })
    .option("--all", "every run, and names that are not on record")
    .requiredOption("--reason <text>", "what was looked at; kept in the ledger")
    .action(
      run(
        terminal,
        async (session, given: string | undefined, options: { all?: boolean; reason: string }) => {
          const { reason } = options;
          if ((given === undefined) === (options.all !== true))
            throw usage("Name one run, or say --all.", "`signalbox runs review ls` lists them.");
          const client = session.api();
          if (given === undefined) {
            const all = await client.post<{ runs: number; receipt: ReceiptReference }>("/review/release", {
              reason,
            });
            session.print(done(all, `The review is over; ${all.runs} runs go on.`));
            return;
          }
          const id = await runId(client, given);
          const one = await client.post<{ run: string; receipt: ReceiptReference }>(
            api`/runs/${id}/release`,
            {
              reason,
            },
          );
          session.print(done(one, `${given} goes on.`));
        },
      ),
    );
}
