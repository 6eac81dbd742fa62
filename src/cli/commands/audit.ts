import type { Command } from "commander";
import type { Client } from "../client.ts";
import { api } from "../client.ts";
import { colourOfState } from "../paint.ts";
import type { Session } from "../session.ts";
import { apiVerb, limitOf, limitOption, noun, oneOf, run } from "../session.ts";
import type { Field } from "../show.ts";
import { instantText, listed, shown } from "../show.ts";
import type { Terminal } from "../terminal.ts";
import { addOfflineAudit } from "./audit-offline.ts";
import type { Entry } from "./entry.ts";
import { outcomeText } from "./entry.ts";
import { nameFinder } from "./who.ts";

const entryKinds = ["intent", "outcome", "resolve", "step", "run", "act", "summary"] as const;

export function auditCommand(program: Command, terminal: Terminal): void {
  const audit = noun(program, "audit", "The ledger: what was recorded, and proving it");
  addOfflineAudit(audit, terminal);

  apiVerb(audit, {
    usage: "ls",
    summary: "List what the ledger recorded, newest first",
    example: "signalbox audit ls --kind act",
  })
    .option("--kind <kind>", `only ${entryKinds.join(", ")}`)
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string; kind?: string }) => {
        const found = await session
          .api()
          .list<Entry>("/audit/entries", limitOf(options.limit), { kind: kindOf(options.kind) });
        const who = await nameFinder(
          session,
          found.items.map(({ principals }) => principals),
        );
        session.print(listed(found, columns(who), "Nothing is recorded yet."));
      }),
    );

  apiVerb(audit, {
    usage: "show <entry>",
    summary: "Show an entry with its leaf, as the tree holds it",
    example: "signalbox audit show act_01jd…:0",
  }).action(
    run(terminal, async (session, id: string) => {
      const found = await session.api().get<{ entry: Entry; leaf: string }>(api`/audit/entries/${id}`);
      session.print(shown(found, fields(found.entry, found.leaf)));
    }),
  );

  apiVerb(audit, {
    usage: "prove <entry>",
    summary: "Fetch the proof of an entry: a C2SP tlog-proof, the same bytes every time",
    notes: "`audit verify-receipt` checks it offline, with the key alone.",
    example: "signalbox audit prove call_01jd…:1 > receipt.txt",
  }).action(
    run(terminal, async (session, id: string) => {
      const text = await session.api().text(api`/receipts/${id}`);
      document(session, text, { receipt: text });
    }),
  );

  apiVerb(audit, {
    usage: "export",
    summary: "Write the entries as JSON Lines, newest first",
    notes:
      "With --proofs each line also holds its receipt, so that the file can be verified by whoever has the key.",
    example: "signalbox audit export --proofs --limit 10000 > ledger.jsonl",
  })
    .option("--kind <kind>", `only ${entryKinds.join(", ")}`)
    .option("--proofs", "fetch the receipt of each entry as well")
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string; kind?: string; proofs?: boolean }) => {
        await exportEntries(session, limitOf(options.limit), kindOf(options.kind), options.proofs ?? false);
      }),
    );

  apiVerb(audit, {
    usage: "checkpoint",
    summary: "Fetch the newest signed checkpoint, for keeping outside",
    notes: "Given to `audit verify --checkpoint` later, it shows a log that was rolled back or rewritten.",
    example: "signalbox audit checkpoint > checkpoint-2026-11-21.txt",
  }).action(
    run(terminal, async (session) => {
      const text = await session.api().text("/audit/checkpoint");
      document(session, text, { checkpoint: text });
    }),
  );

  apiVerb(audit, {
    usage: "key",
    summary: "Fetch the public key of the log, as verifiers take it",
    example: "signalbox audit key > signalbox.vkey",
  }).action(
    run(terminal, async (session) => {
      const text = await session.api().text("/audit/key");
      document(session, text, { key: text });
    }),
  );
}

/** Files that other programs read stay as they are, also in a pipe; only --json wraps them. */
function document(session: Session, text: string, json: unknown): void {
  if (session.json === true) session.print({ json, human: () => text });
  else session.output.document(text);
}

/** Proofs asked for at once: enough to hide the way to the node, few enough to leave it to its agents. */
const proofsAtOnce = 8;
const entriesAtOnce = 500;

async function exportEntries(
  session: Session,
  limit: number,
  kind: string | undefined,
  proofs: boolean,
): Promise<void> {
  const client = session.api();
  let cursor: string | undefined;
  let written = 0;
  while (written < limit) {
    const page = await client.get<{ items: readonly Entry[]; next: string | null }>("/audit/entries", {
      limit: Math.min(entriesAtOnce, limit - written),
      cursor,
      kind,
    });
    for (let at = 0; at < page.items.length; at += proofsAtOnce) {
      const some = page.items.slice(at, at + proofsAtOnce);
      const lines = await Promise.all(some.map((entry) => exported(client, entry, proofs)));
      session.output.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    }
    written += page.items.length;
    session.output.remark(`${written} entries`);
    if (page.next === null) return;
    cursor = page.next;
  }
}

const exported = async (client: Client, entry: Entry, proofs: boolean): Promise<unknown> =>
  proofs ? { entry, receipt: await client.text(api`/receipts/${entry.id}`) } : { entry };

const kindOf = (kind: string | undefined): string | undefined =>
  kind === undefined ? undefined : oneOf("--kind", kind, entryKinds);

const columns = (who: (chain: readonly string[]) => string) => [
  { title: "at", of: (entry: Entry) => instantText(entry.at) },
  { title: "kind", of: (entry: Entry) => entry.kind },
  { title: "what", of: (entry: Entry) => entry.method },
  { title: "on", of: (entry: Entry) => entry.subject },
  {
    title: "outcome",
    of: (entry: Entry) => (entry.outcome === null ? "" : outcomeText(entry.outcome)),
    colour: (entry: Entry) => colourOfState(entry.outcome?.kind ?? ""),
  },
  { title: "by", of: (entry: Entry) => who(entry.principals) },
  { title: "entry", of: (entry: Entry) => entry.id, keep: true },
];

const fields = (entry: Entry, leaf: string): readonly Field[] => [
  ["entry", entry.id, "bold"],
  ["kind", entry.kind],
  ["at", instantText(entry.at)],
  ["what", entry.method],
  ["on", entry.subject],
  ["by", entry.principals.join(" for ")],
  ["call", entry.call],
  [
    "outcome",
    entry.outcome === null ? null : outcomeText(entry.outcome),
    colourOfState(entry.outcome?.kind ?? ""),
  ],
  [
    "decision",
    entry.decision === null
      ? null
      : `${entry.decision.effect} by ${entry.decision.policies.join(", ") || "no policy"}`,
  ],
  ["after", entry.after],
  ["leaf hash", entry.leafHash],
  ["leaf", leaf],
];
