import type { Command } from "commander";
import type { Client } from "../client.ts";
import { api } from "../client.ts";
import { colourOfState } from "../paint.ts";
import type { Session } from "../session.ts";
import { apiVerb, limitOf, limitOption, noun, oneOf, run } from "../session.ts";
import type { Field } from "../show.ts";
import { instantText, listed, shown } from "../show.ts";
import type { Terminal } from "../terminal.ts";
import type { LogOptions } from "./audit-export.ts";
import { exportWholeLog } from "./audit-export.ts";
import { addOfflineAudit } from "./audit-offline.ts";
import { addProofs, document } from "./audit-proofs.ts";
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
          // An administrative act may be about an agent.
          found.items.map(({ principals, subject }) =>
            subject === null ? principals : [...principals, subject],
          ),
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

  addProofs(audit, terminal);

  apiVerb(audit, {
    usage: "export",
    summary: "Write the whole log so that it verifies anywhere (--to), or entries as JSON Lines",
    notes:
      "With --to: leaves, hashes, checkpoints and the key as C2SP tlog-tiles, proven before it ends; `audit verify --export` proves it again on any machine. Without: newest first, with --proofs each line with its receipt.",
    example: "signalbox audit export --to ledger-2026-11.tar --until 2026-12-01T00:00:00Z",
  })
    .option("--to <place>", "a new file that ends in .tar, or a new directory")
    .option("--since <instant>", "with --to: entries from then on, and of those before only hashes")
    .option("--until <instant>", "with --to: the log as it was then")
    .option("--payloads", "with --to: also what is sealed; an act of its own, and on record")
    .option("--offline", "with --to: from the data itself, without a node")
    .option("--config <file>", "with --offline: the configuration that names the data")
    .option("--tenant <tenant>", "with --offline: whose log (the configuration's)")
    .option("--kind <kind>", `only ${entryKinds.join(", ")}`)
    .option("--proofs", "fetch the receipt of each entry as well")
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: EntriesOptions & LogOptions) => {
        if (options.to !== undefined) return exportWholeLog(session, options.to, options);
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

interface EntriesOptions {
  readonly limit: string;
  readonly kind?: string;
  readonly proofs?: boolean;
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
  {
    title: "on",
    of: ({ name, subject }: Entry) => name ?? (subject === null ? null : who([subject])),
  },
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
  ["on", entry.name === null ? entry.subject : `${entry.name}  (${entry.subject})`],
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
