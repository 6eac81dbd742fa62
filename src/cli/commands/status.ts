import type { Command } from "commander";
import { version } from "../../app/command-line.ts";
import { apiVerb, localVerb, run } from "../session.ts";
import { shown } from "../show.ts";
import type { Terminal } from "../terminal.ts";

/** As `/status` answers. */
interface Status {
  readonly node: {
    readonly name: string;
    readonly version: string;
    readonly runtime: string;
    readonly uptimeMs: number;
  };
  readonly tenant: string;
  readonly store: { readonly waiting: number; readonly waitingMax: number; readonly lastFlushMs: number };
  readonly ledger: { readonly tailAgeMs: number; readonly entries: number; readonly failures: number };
  readonly calls: { readonly underWay: number };
  readonly review: string | null;
  readonly policies: { readonly digest: string | null; readonly isInForce: boolean };
  readonly counts: {
    readonly servers: Readonly<Record<string, number>>;
    readonly tools: Readonly<Record<string, number>>;
  };
}

/** An older tail is an alarm. */
const tailAgeMaxMs = 10_000;

export function statusCommands(program: Command, terminal: Terminal): void {
  apiVerb(program, {
    usage: "status",
    summary: "How the node and your tenant are",
    example: "signalbox status",
  }).action(
    run(terminal, async (session) => {
      const client = session.api();
      const status = await client.get<Status>("/status");
      const { node, store, ledger, policies, counts } = status;
      const down = (counts.servers["down"] ?? 0) + (counts.servers["degraded"] ?? 0);
      session.print(
        shown(status, [
          ["node", `${node.name} at ${client.url}`, "bold"],
          ["version", `${node.version} on ${node.runtime}`],
          ["up for", uptime(node.uptimeMs)],
          ["tenant", status.tenant],
          ["servers", counted(counts.servers), down > 0 ? "yellow" : "plain"],
          ["tools", counted(counts.tools), (counts.tools["quarantined"] ?? 0) > 0 ? "yellow" : "plain"],
          ["calls under way", String(status.calls.underWay)],
          ["review", status.review === null ? null : `${status.review}: \`signalbox runs review ls\``, "red"],
          [
            "policies",
            policies.isInForce
              ? (policies.digest ?? "the default of this mode")
              : policies.digest === null
                ? "refused, and none were good before, so agents may do nothing: `signalbox policy show`"
                : "the newest texts are refused, the last good ones hold: `signalbox policy show`",
            policies.isInForce ? "plain" : "red",
          ],
          [
            "ledger",
            `${ledger.entries} entries sequenced since the start, tail ${(ledger.tailAgeMs / 1000).toFixed(1)} s old, ${ledger.failures} failures`,
            ledger.tailAgeMs > tailAgeMaxMs || ledger.failures > 0 ? "red" : "plain",
          ],
          [
            "store",
            `${store.waiting} of ${store.waitingMax} waiting, last flush ${store.lastFlushMs.toFixed(1)} ms`,
          ],
        ]),
      );
    }),
  );

  localVerb(program, {
    usage: "version",
    summary: "The version of this program",
    example: "signalbox version",
  }).action(
    run(terminal, async (session) => {
      const runtime = `node ${process.versions.node}`;
      session.print({ json: { version, runtime }, human: () => `signalbox ${version} (${runtime})` });
    }),
  );
}

const counted = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(", ") || "none";

function uptime(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}
