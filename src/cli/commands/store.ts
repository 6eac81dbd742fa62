import type { Command } from "commander";
import { systemRandom } from "../../base/index.ts";
import type { Contraction, Remnant } from "../../store/index.ts";
import { configured } from "../configured.ts";
import { usage } from "../exit.ts";
import { localVerb, noun, run } from "../session.ts";
import { shown } from "../show.ts";
import type { Answer, Terminal } from "../terminal.ts";

const rowsPerRemark = 500_000;

export function storeCommand(program: Command, terminal: Terminal): void {
  const store = noun(program, "store", "Where a node keeps its data, while no node runs on it");

  localVerb(store, {
    usage: "move",
    summary: "Copy a store to a new place, prove it there, and retire the old one",
    notes:
      "Refused while a node runs on it. Receipts given before verify as they did. The old place stays as it is, and no node starts on it any more.",
    example: "signalbox store move --from ./.signalbox --to /var/lib/signalbox",
  })
    .requiredOption("--from <store>", "the data directory of now")
    .requiredOption("--to <store>", "the new one, or postgres://…; must be empty or missing")
    .action(
      run(terminal, async (session, { from, to }: { from: string; to: string }) => {
        const { moveStore } = await import("../../app/index.ts");
        let passed = 0;
        const { rows, proven } = await moveStore({
          from,
          to,
          clock: terminal.clock,
          random: systemRandom,
          onRows: (count) => {
            const before = passed;
            passed += count;
            if (Math.floor(before / rowsPerRemark) < Math.floor(passed / rowsPerRemark))
              session.output.remark(`moving: ${passed} rows …`);
          },
        });
        const place = to.replace(/\/\/[^@/]*@/, "//"); // a password is not to be printed
        session.print(
          shown({ from, to: place, rows, proven }, [
            ["moved", `${from} → ${place}`, "green"],
            ["rows", String(rows)],
            ["ledger", `${proven} entries proven in the new place`],
          ]),
        );
      }),
    );

  localVerb(store, {
    usage: "contract",
    summary: "Remove what this version's tables no longer need; older versions are refused from then on",
    notes:
      "Says what that is, and changes nothing without --yes. A data directory is contracted while no node runs on it; a database while nodes of this version work on it, and not while an older one does. There is no way back but a backup.",
    example: "signalbox store contract --config /etc/signalbox/signalbox.yaml",
  })
    .option("--config <file>", "the configuration that names the store (./signalbox.yaml)")
    .option("--data <dir>", "a data directory instead")
    .option("--yes", "do it")
    .action(
      run(terminal, async (session, options: ContractOptions) => {
        const { contractStore } = await import("../../app/index.ts");
        const { data } = await configured(session, options.config);
        const isDry = options.yes !== true;
        const found = await contractStore({
          data,
          isDry,
          onRemoved: (remnant) => session.output.remark(`removed ${remnantText(remnant)}`),
        });
        session.print(contractionShown(found, isDry));
      }),
    );

  localVerb(store, {
    usage: "mark-restored",
    summary: "Say that the data was brought back to an earlier state by other means than `restore`",
    notes:
      "After a copy of the disk, say. The next node that starts on it puts open runs into review, as after `restore`. Where the data directory still has its remembered checkpoints, a node finds this by itself.",
    example: 'signalbox store mark-restored --data /var/lib/signalbox --reason "disk image of 02:00"',
  })
    .option("--data <dir>", "the data directory; has to be named")
    .requiredOption("--reason <text>", "what was done; people who release runs are told")
    .action(
      run(terminal, async (session, { reason }: { reason: string }) => {
        const { data } = session;
        if (data === undefined) throw usage("Name the data directory with --data.");
        const { markRestored } = await import("../../app/index.ts");
        const sources = { clock: terminal.clock, random: systemRandom };
        const epoch = await markRestored(data, reason.slice(0, 1_000), sources);
        session.print(
          shown({ data, epoch }, [
            ["marked", data, "green"],
            ["epoch", String(epoch)],
          ]),
        );
      }),
    );
}

interface ContractOptions {
  readonly config?: string;
  readonly yes?: boolean;
}

const remnantText = ({ kind, table, name }: Remnant): string =>
  kind === "table" ? `table ${name}` : `${kind} ${table}.${name}`;

function contractionShown(found: Contraction, isDry: boolean): Answer {
  const { dataVersion, readerMin, readerMinAfter, remnants, olderNodes } = found;
  const isDone = !isDry && remnants.length > 0;
  const next =
    remnants.length === 0
      ? "nothing: this version has given up nothing that the data still has"
      : olderNodes > 0
        ? `${olderNodes} of an older version at work: replace them first`
        : `version ${readerMinAfter - 1} is refused afterwards: with --yes it is done`;
  return shown({ dataVersion, readerMin, readerMinAfter, olderNodes, remnants, isDone }, [
    ["data version", String(dataVersion)],
    ["opened by", `version ${isDone ? readerMinAfter : readerMin} and later`],
    [isDry ? "to be removed" : "removed", remnants.map(remnantText).join(", ") || "nothing"],
    ...(isDone ? [] : [["next", next, remnants.length === 0 ? "green" : "yellow"] as const]),
  ]);
}
