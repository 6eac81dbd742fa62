import { cpus, loadavg, totalmem } from "node:os";

/** What the figures were taken on. The load average says whether it had other work. */
export const machine = () => ({
  at: new Date().toISOString(),
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  load: loadavg().map((each) => Number(each.toFixed(1))),
});

export function row(name: string, cells: readonly string[], goal = ""): void {
  console.log([name.padEnd(34), ...cells.map((cell) => cell.padStart(26)), `  ${goal}`].join(" ").trimEnd());
}

export const perOperation = (cpuMs: number, operations: number): string =>
  `${((cpuMs * 1000) / operations).toFixed(1)} us CPU`;
