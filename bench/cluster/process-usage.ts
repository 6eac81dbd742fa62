import { readFileSync } from "node:fs";

/** What processes take of the machine, as the kernel counts it: in hundredths of a second, of all threads. */

const tickMs = 10;

/** CPU of a process since it began, in milliseconds; 0 when it is gone. */
export const cpuMsOf = (pid: number): number => ticksOf(`/proc/${pid}/stat`).own * tickMs;

/** Of its main thread alone: what a node's event loop has. */
export const mainThreadMsOf = (pid: number): number => ticksOf(`/proc/${pid}/task/${pid}/stat`).own * tickMs;

export const rssMiBOf = (pid: number): number => {
  const found = /VmRSS:\s+(\d+)/.exec(textOf(`/proc/${pid}/status`))?.[1];
  return found === undefined ? 0 : Number(found) / 1024;
};

/** Memory that is this process's alone, and its share of what others have mapped too: sums of it mean something. */
const pssMiBOf = (pid: number): number => {
  const found = /^Pss:\s+(\d+)/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1];
  return found === undefined ? 0 : Number(found) / 1024;
};

/** Of the whole machine: everybody's. The kernel's waiting for disks is not work. */
export function machineMs(): number {
  const fields = textOf("/proc/stat").split("\n")[0]?.trim().split(/\s+/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = fields;
  return (user + nice + system + irq + softIrq + steal) * tickMs;
}

export const postgresPssMiB = (postmaster: number): number =>
  [postmaster, ...childrenOf(postmaster)].reduce((sum, pid) => sum + pssMiBOf(pid), 0);

/** The kinds of process that PostgreSQL has, and what each has used. Those that ended count as `ended`. */
export type PostgresCpu = Readonly<Record<string, number>>;

export function postgresCpuMs(postmaster: number): PostgresCpu {
  const used: Record<string, number> = {
    postmaster: cpuMsOf(postmaster),
    ended: ticksOf(`/proc/${postmaster}/stat`).children * tickMs,
  };
  for (const pid of childrenOf(postmaster)) {
    const title = textOf(`/proc/${pid}/cmdline`);
    if (title.startsWith(ownSession)) continue;
    const kind = kindOf(title);
    used[kind] = (used[kind] ?? 0) + cpuMsOf(pid);
  }
  return used;
}

/** What the bench itself asks, as nobody else does, is not what the nodes cost: twenty looks at the turn a second are 1 to 2 % of a core. */
const ownSession = "postgres: postgres ";

const childrenOf = (pid: number): readonly number[] =>
  textOf(`/proc/${pid}/task/${pid}/children`).trim().split(" ").filter(Boolean).map(Number);

/** "postgres: signalbox db 127.0.0.1(4711) idle" is a backend; the others say what they are. */
function kindOf(title: string): string {
  const said = /^postgres: ([a-z ]+?)\s*(?:\0|$)/.exec(title)?.[1];
  return said !== undefined && /writer|checkpointer|launcher|logger|archiver/.test(said) ? said : "backends";
}

/** Fields 14 to 17; those before the closing bracket are two. */
function ticksOf(file: string): { readonly own: number; readonly children: number } {
  const fields = textOf(file)
    .replace(/^.*\) /s, "")
    .split(" ")
    .map(Number);
  return { own: (fields[11] ?? 0) + (fields[12] ?? 0), children: (fields[13] ?? 0) + (fields[14] ?? 0) };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended
  }
}
