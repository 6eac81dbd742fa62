import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { Config } from "../../app/index.ts";
import { msOf } from "../../base/index.ts";
import type { LedgerReport, TenantReport } from "../../ledger/index.ts";
import { Stop, usage } from "../exit.ts";
import { configured } from "../configured.ts";
import type { Page, Terminal } from "../terminal.ts";
import { cleanLine } from "../clean.ts";
import { fieldsText } from "../table.ts";
import type { Session } from "../session.ts";
import { collect, localVerb, run } from "../session.ts";
import type { Field } from "../show.ts";
import { shown } from "../show.ts";
import { fieldsOf, provenExport } from "./audit-export.ts";

interface VerifyOptions {
  readonly export?: string;
  readonly witness?: readonly string[];
  readonly config?: string;
  readonly tenant?: string;
  readonly checkpoint?: readonly string[];
  readonly key?: string;
}

/** The two verbs that need no node: whoever has the data, or only a receipt and the key, can prove it. */
export function addOfflineAudit(audit: Command, terminal: Terminal): void {
  localVerb(audit, {
    usage: "verify",
    summary: "Prove a data directory or an export offline, and name the first entry that does not hold",
    notes:
      "Also beside a running node; changes nothing. With the node's key file (keys.file) it also opens what is sealed, and holds arguments and results against what was committed to. An export (`audit export --to`) is proven on any machine. Without --key it proves only that the data agrees with itself; without --checkpoint a log that was rolled back looks whole.",
    example:
      "signalbox audit verify --data /var/lib/signalbox --key signalbox.vkey --checkpoint checkpoint-2026-11-21.txt",
  })
    .option("--export <place>", "an export, instead of a data directory")
    .option(
      "--witness <key>",
      "the key of a witness that must have co-signed it, or a file with it; repeatable",
      collect,
    )
    .option("--data <dir>", "the data directory (the configuration's, or ./.signalbox)")
    .option("--config <file>", "the configuration that names it")
    .option("--tenant <tenant>", "only this tenant's log")
    .option("--checkpoint <file>", "a checkpoint kept outside; repeatable", collect)
    .option("--key <key>", "the public key you trust, or a file with it (`signalbox audit key`)")
    .action(
      run(terminal, async (session, options: VerifyOptions) => {
        if (options.export !== undefined) return verifyExported(session, options.export, options);
        const { config, data } = await configured(session, options.config);
        const { report, words, whyUnopened } = await verified(data, config.keys, options);
        session.print({
          json: { ...report, whyUnopened, ...(options.witness === undefined ? {} : { witnesses: words }) },
          human: (page) => [reportText(report, whyUnopened, page), ...words.map(wordText)].join("\n"),
        });
        if (!report.isIntact)
          throw new Stop("ledger-broken", "The ledger does not hold.", {
            hint: "Keep a copy of the data directory as it is, before anything else is done with it.",
          });
        const silent = words.find(({ size }) => size === null);
        if (silent !== undefined)
          throw new Stop("ledger-unwitnessed", `${wordText(silent)}.`, {
            hint: "Name one log with --tenant.",
          });
      }),
    );

  localVerb(audit, {
    usage: "verify-receipt <file>",
    summary: "Prove a receipt offline with nothing but the public key",
    example: "signalbox audit verify-receipt receipt.txt --key signalbox.vkey",
  })
    .requiredOption("--key <key>", "the public key you trust, or a file with it (`signalbox audit key`)")
    .option("--leaf <file>", "the leaf, for a receipt that does not carry it")
    .option("--witness <key>", "the key of a witness that must have co-signed it; repeatable", collect)
    .action(
      run(terminal, async (session, file: string, options: ReceiptOptions) => {
        const leaf = options.leaf === undefined ? {} : { leaf: readText(options.leaf) };
        const { verifyReceipt } = await import("../../ledger/index.ts");
        const witnessKeys = (options.witness ?? []).map(keyText);
        const trust = { verifierKey: keyText(options.key), witnessKeys };
        const proven = verifyReceipt(readText(file), { ...trust, ...leaf });
        if (!proven.ok) {
          const { problem, detail } = proven.refusal;
          throw new Stop(`receipt-${problem}`, `The receipt proves nothing: ${detail}.`);
        }
        const { entry, origin, index, size, witnesses } = proven.value;
        session.print(
          shown({ proven: true, origin, index, size, witnesses, entry }, [
            ["proven", "yes", "green"],
            ["log", origin],
            ["position", `${index} of ${size}`],
            ...witnesses.map(({ witness, at }): Field => [
              "co-signed",
              `by ${witness} at ${new Date(msOf(at)).toISOString()}`,
              "green",
            ]),
            ["entry", entry.id],
            ["recorded", JSON.stringify(entry, null, 2)],
          ]),
        );
      }),
    );
}

interface ReceiptOptions {
  readonly key: string;
  readonly leaf?: string;
  readonly witness?: readonly string[];
}

/** A witness that is asked for and has said nothing is a failure: whoever names one relies on it. */
async function verifyExported(session: Session, place: string, options: VerifyOptions): Promise<void> {
  const { checkpoint = [], key, witness = [] } = options;
  const proven = await provenExport(place, {
    verifierKey: key === undefined ? null : keyText(key),
    remembered: checkpoint.map(readText),
    witnessKeys: witness.map(keyText),
  });
  session.print(shown(proven, fieldsOf(proven)));
  const silent = proven.witnesses.find(({ said }) => said === null);
  if (silent !== undefined)
    throw new Stop("export-witness", `${silent.witness} has co-signed no checkpoint of this export.`);
}

/** What a witness says of one log. `size` null = nothing that is true of it. */
interface Word {
  readonly tenant: string;
  readonly witness: string;
  readonly size: number | null;
}

const wordText = ({ tenant, witness, size }: Word): string =>
  size === null
    ? `${witness} has co-signed nothing of the log of tenant ${tenant}`
    : `${witness} has co-signed ${size} entries of the log of tenant ${tenant}`;

interface Verified {
  readonly report: LedgerReport;
  readonly words: readonly Word[];
  /** null = payloads were opened. */
  readonly whyUnopened: string | null;
}

async function verified(
  data: Config["data"],
  keys: Config["keys"],
  options: VerifyOptions,
): Promise<Verified> {
  const { tenant, checkpoint = [], key, witness = [] } = options;
  const { allTables, offlinePayloads, openReadStore } = await import("../../app/index.ts");
  const { newestWord, parseWitnessKey, verifyLedger } = await import("../../ledger/index.ts");
  const witnessKeys = witness.map((given) => {
    const parsed = parseWitnessKey(keyText(given));
    if (parsed === null) throw usage("The key of a witness is not of the form <name>+<id>+<key>.");
    return parsed;
  });
  const store = await openReadStore(data, allTables);
  try {
    const opener = await offlinePayloads(store, keys, data.directory);
    const whyUnopened = typeof opener === "string" ? opener : null;
    const report = await verifyLedger(store, {
      ...(key === undefined ? {} : { verifierKey: keyText(key) }),
      ...(typeof opener === "string" ? {} : { openPayload: opener }),
      remembered: checkpoint.map(readText),
    });
    const words: Word[] = [];
    for (const each of report.tenants) {
      if (tenant !== undefined && each.tenant !== tenant) continue;
      for (const witnessKey of witnessKeys) {
        const word = await newestWord(store, each.tenant, witnessKey);
        words.push({ tenant: each.tenant, witness: witnessKey.name, size: word?.size ?? null });
      }
    }
    if (tenant === undefined) return { report, words, whyUnopened };
    const tenants = report.tenants.filter((each) => each.tenant === tenant);
    if (tenants.length === 0)
      throw new Stop(
        "not-found",
        `There is no log of tenant "${tenant}" in ${data.postgres === undefined ? data.directory : "this database"}.`,
      );
    const isIntact = tenants.every(({ broken }) => broken === null);
    return { report: { ...report, tenants, isIntact }, words, whyUnopened };
  } finally {
    store.close();
  }
}

function reportText(report: LedgerReport, whyUnopened: string | null, page: Page): string {
  const { paint } = page;
  const parts = report.tenants.map((tenant) => tenantText(tenant, whyUnopened, page));
  const verdict = report.isIntact
    ? paint(
        "green",
        report.tenants.length === 0 ? "Nothing is recorded yet." : "Every entry is as it was recorded.",
      )
    : paint("red", "The ledger does not hold.");
  const trust =
    report.trust === "given"
      ? "Proven with the key you gave."
      : "Proven with the key in the data itself: give the one you trust with --key.";
  return [...parts, `${verdict} ${paint("dim", trust)}`].join("\n\n");
}

function tenantText(
  { tenant, origin, proven, checkpoints, payloads, tail, broken }: TenantReport,
  whyUnopened: string | null,
  { paint }: Page,
): string {
  const oldest =
    tail.oldestAt === null ? "" : `, the oldest of ${new Date(msOf(tail.oldestAt)).toISOString()}`;
  return fieldsText(
    [
      ["tenant", tenant, "bold"],
      ["log", origin],
      ["proven", `${proven} entries, by ${checkpoints} checkpoints`],
      whyUnopened === null
        ? ["payloads", `${payloads.opened} as committed, ${payloads.erased} erased`]
        : ["payloads", `${payloads.unopened} not looked into: ${cleanLine(whyUnopened)}`, "yellow"],
      [
        "not yet sequenced",
        tail.entries === 0 ? "none" : `${tail.entries}${oldest}`,
        tail.entries === 0 ? "plain" : "yellow",
      ],
      ["broken", broken === null ? null : `${broken.kind}: ${cleanLine(broken.detail)}`, "red"],
      ["at entry", broken?.entry ?? null, "red"],
      ["at position", broken?.position === null || broken === null ? null : String(broken.position), "red"],
    ],
    paint,
  );
}

/** A key as text, or the name of a file that holds one. Keys contain "+" and a base64 tail; file names seldom look so. */
export function keyText(given: string): string {
  if (/^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/.test(given)) return given;
  return readText(given).trim();
}

export function readText(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
    throw usage(`${file} cannot be read (${code}).`);
  }
}
