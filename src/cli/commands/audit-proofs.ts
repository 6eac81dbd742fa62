import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectories } from "../../base/index.ts";
import type { Command } from "commander";
import { Stop, usage } from "../exit.ts";
import { api } from "../client.ts";
import type { Session } from "../session.ts";
import { apiVerb, run } from "../session.ts";
import { listed, shown } from "../show.ts";
import type { Terminal } from "../terminal.ts";
import type { Entry } from "./entry.ts";
import { keyText, readText } from "./audit-offline.ts";

/** A call has a handful of entries, a run one to three per step. */
const entriesMax = 100_000;
const proofsAtOnce = 8;

interface ProveOptions {
  readonly to?: string;
  readonly witnessed?: boolean;
}

/** The verbs that fetch proofs from a node. */
export function addProofs(audit: Command, terminal: Terminal): void {
  apiVerb(audit, {
    usage: "prove <id>",
    summary: "Fetch the proof of an entry, or of all of a call or run: C2SP tlog-proofs",
    notes:
      "`audit verify-receipt` checks one offline, with the key alone. Several go into a directory, a file each. A proof is the same bytes every time, unless it is asked for with what witnesses say.",
    example: "signalbox audit prove call_01jd… --to proofs",
  })
    .option("--to <place>", "a new file; for a call or run, a new directory")
    .option("--witnessed", "under a checkpoint that enough witnesses have co-signed")
    .action(
      run(terminal, async (session, id: string, options: ProveOptions) => {
        if (id.includes(":")) return proveOne(session, id, options);
        await proveAll(session, id, options);
      }),
    );

  apiVerb(audit, {
    usage: "consistency <old> [new]",
    summary: "Prove that the log still begins with what an older checkpoint covers",
    notes:
      "Both are files with checkpoints (`audit checkpoint`); left out, the new one is the node's newest. The proof is checked here: with --key also who signed them.",
    example: "signalbox audit consistency checkpoint-2026-11-21.txt --key signalbox.vkey",
  })
    .option("--key <key>", "the public key you trust, or a file with it")
    .option("--to <file>", "write the proof: a hash in base64 per line")
    .action(
      run(
        terminal,
        async (session, old: string, given: string | undefined, options: { key?: string; to?: string }) => {
          const { parseCheckpoint, verifyCheckpoints } = await import("../../ledger/index.ts");
          const older = readText(old);
          const newer = given === undefined ? await session.api().text("/audit/checkpoint") : readText(given);
          const [from, to] = [parseCheckpoint(older), parseCheckpoint(newer)];
          if (from === null || to === null) throw usage("One of the two is not a checkpoint.");
          if (from.size > to.size)
            throw new Stop(
              "log-short",
              `The older checkpoint covers ${from.size} entries, the newer one ${to.size}: the log has lost some.`,
            );
          const { proof } = await session
            .api()
            .get<{ proof: readonly string[] }>("/audit/consistency", { old: from.size, new: to.size });
          const key = options.key === undefined ? null : keyText(options.key);
          const proven = verifyCheckpoints(older, newer, proof, key);
          if (!proven.ok) {
            const { problem, detail } = proven.refusal;
            throw new Stop(`log-${problem}`, `The log does not hold: ${detail}.`);
          }
          if (options.to !== undefined) writeNew(options.to, proof.map((hash) => `${hash}\n`).join(""));
          const { origin, first, second } = proven.value;
          session.print(
            shown({ consistent: true, origin, old: first, new: second, proof }, [
              ["consistent", "yes", "green"],
              ["log", origin],
              ["proven", `${second} entries begin with the same ${first}`],
              ["signatures", key === null ? "not checked: give the key you trust with --key" : "checked"],
            ]),
          );
        },
      ),
    );
}

async function proveOne(session: Session, id: string, { to, witnessed }: ProveOptions): Promise<void> {
  const text = await receipt(session, id, witnessed);
  if (to === undefined) return document(session, text, { receipt: text });
  writeNew(to, text);
  session.print(shown({ entry: id, file: to }, [["written", to]]));
}

async function proveAll(session: Session, id: string, { to, witnessed }: ProveOptions): Promise<void> {
  const of = /^(call|run)_/.exec(id)?.[1];
  if (of === undefined) throw usage(`${id} is no id of an entry, call or run.`);
  if (to === undefined)
    throw usage("A call or run has several proofs.", "Name a new directory for them with --to.");
  if (existsSync(to)) throw usage(`${to} is there already.`, "Name a new directory.");
  const found = await session.api().list<Entry>("/audit/entries", entriesMax, { [of]: id });
  if (found.items.length === 0) throw new Stop("not-found", `There is no entry of ${id}.`);
  const items: { entry: string; file: string }[] = [];
  const oldestFirst = found.items.toReversed();
  makeDirectories(to);
  for (let at = 0; at < oldestFirst.length; at += proofsAtOnce) {
    const some = oldestFirst.slice(at, at + proofsAtOnce);
    const texts = await Promise.all(some.map((entry) => receipt(session, entry.id, witnessed)));
    for (const [i, text] of texts.entries()) {
      const entry = some[i]?.id ?? "";
      const file = join(to, `${entry.replaceAll(/[^A-Za-z0-9_.-]/g, "-")}.tlog-proof`);
      writeNew(file, text);
      items.push({ entry, file });
    }
  }
  session.print(
    listed(
      { items, next: null },
      [
        { title: "entry", of: ({ entry }: { entry: string }) => entry },
        { title: "file", of: ({ file }: { file: string }) => file, keep: true },
      ],
      "",
    ),
  );
}

const receipt = (session: Session, id: string, witnessed = false): Promise<string> =>
  session.api().text(api`/receipts/${id}`, witnessed ? { witnessed: true } : {});

function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: "wx" });
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST")
      throw usage(`${file} is there already.`, "Name a new file.");
    throw thrown;
  }
}

/** Files that other programs read stay as they are, also in a pipe; only --json wraps them. */
export function document(session: Session, text: string, json: unknown): void {
  if (session.json === true) session.print({ json, human: () => text });
  else session.output.document(text);
}
