import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { Child } from "./child.ts";
import type { Progress } from "./killed-programs.ts";
import { row } from "./machine.ts";

/** None may have more than a thousand calls under way. */
const agentsOf = 4;
/** So long the bank takes, so that many payments are under way when the node dies. */
const bankTakesMs = 200;
const patienceMs = 300_000;

/** The node is killed with -9 while runs are in flight, each with a payment; another one starts on the same data, and the agents go on. */
export async function killed(
  workspace: (name: string) => string,
  { inFlight }: { readonly inFlight: number },
) {
  const directory = workspace("killed");
  const bank = await Child.start("bank.ts", String(bankTakesMs));
  const port = await freePort();
  const startNode = (agents: number) =>
    Child.start("killed-programs.ts", "node", directory, String(port), String(bank.said), String(agents));
  const first = await startNode(agentsOf);
  const { url, tokens } = first.said as { url: string; tokens: string[] };
  const agents = await Child.start("killed-programs.ts", "agents", url, tokens.join());
  const progress = (asked: object = {}) => agents.ask({ ...asked }) as Promise<Progress>;

  await progress({ runs: inFlight });
  // Some have paid, some are at the bank, some have not begun: every place where a node can die has some run at it.
  const paid = () => bank.ask({}) as Promise<{ payments: number; mostOften: number }>;
  await until(paid, ({ payments }) => payments >= inFlight / 2);
  const atKill = { ...(await progress()), paid: (await paid()).payments };
  const since = progress({ isKilled: true });
  await first.kill9();
  await since;
  const killedAt = performance.now();
  const second = await startNode(0);
  const readyMs = performance.now() - killedAt;
  const ended = ({ finished, unknown, otherwise }: Progress) =>
    finished + unknown + Object.values(otherwise).reduce((sum, each) => sum + each, 0);
  const end = await until(progress, (now) => ended(now) >= inFlight);
  const payments = await paid();
  await agents.end();
  await second.end();
  await bank.end();
  const report = { inFlight, atKill, end, lost: inFlight - ended(end), readyMs, payments };
  print(report);
  return report;
}

async function until<T>(look: () => Promise<T>, isSo: (now: T) => boolean): Promise<T> {
  for (const endAt = performance.now() + patienceMs; ;) {
    const now = await look();
    if (isSo(now) || performance.now() > endAt) return now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Nobody else's right now: both nodes have to be at the same one. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function print({ inFlight, atKill, end, lost, readyMs, payments }: Awaited<ReturnType<typeof killed>>): void {
  console.log(`\n(d) ${inFlight} runs in flight, the node killed with -9`);
  const seconds = (ms: number | null) => (ms === null ? "-" : `${(ms / 1000).toFixed(2)} s`);
  row("", ["node"], "goal");
  row("payments made, runs finished before", [`${atKill.paid}, ${atKill.finished}`]);
  row("finished at the end", [String(end.finished)]);
  row("stand at an honest unknown", [String(end.unknown)]);
  row("ended otherwise", [JSON.stringify(end.otherwise)], "none");
  row("lost", [String(lost)], "0");
  row("payments, the most often made", [`${payments.payments}, ${payments.mostOften} x`], "1 x");
  row("another node is ready after", [seconds(readyMs)]);
  const span = ({ firstMs, lastMs }: typeof end.ended) => [`${seconds(firstMs)}, ${seconds(lastMs)}`];
  row("first and last run resumed after", span(end.resumed), "one lease: 15 s");
  row("first and last run ended after", span(end.ended));
}
