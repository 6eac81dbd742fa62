import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { makePerson, paymentsAreApproved, setPolicies } from "../fixtures/approvals.ts";
import type { FleetOrder } from "../fixtures/fleet.ts";
import { Fleet } from "../fixtures/fleet.ts";
import { startHosted } from "../fixtures/hosted-worker.ts";
import type { NodeProcess } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { readLedger } from "../fixtures/offline-ledger.ts";
import type { ClusterOptions } from "../fixtures/postgres.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { Cut } from "../../src/store/postgres/cut.fixture.ts";
import type { Remains } from "./checker.ts";
import { violationsIn } from "./checker.ts";
import { Clients } from "./clients.ts";
import { History } from "./history.ts";
import { Upstream } from "./upstream.ts";

/** CHAOS_SEED plays one world again; CHAOS_NIGHTLY=1 does to each what is done to it ten times as often. */
const seed = Number(process.env["CHAOS_SEED"] ?? 1);
export const rounds = process.env["CHAOS_NIGHTLY"] === "1" ? 10 : 1;
/** What is done to a world takes some seconds each time, and a lease. */
export const worldMs = 150_000 * rounds;

const numbers = [0, 1, 2];
/** After the last blow: a lease, a look for who fell silent, and the pauses of agents that ask again. */
const settleMs = 60_000;
const sampleEveryMs = 500;
const hostedRuns = 2;
const startsMax = 5;

export interface WorldOrder {
  /** Of the test, for what replays it. */
  readonly file: string;
  readonly cluster?: ClusterOptions;
  /** What is particular to a node. */
  readonly node?: (number: number) => FleetOrder;
  readonly clocksAgree?: boolean;
}

/** Three nodes on one database, each behind a wire of its own, a world outside to have effects on, and people and programs who want them. */
export class World {
  readonly fleet: Fleet;
  readonly history: History;
  readonly upstream: Upstream;
  readonly clients: Clients;
  readonly cluster: Postgres;
  /** Between each node and the database. */
  readonly wires: readonly Cut[];
  readonly chance: () => number;
  readonly directory: string;
  /** What the database held at `from`, and from `until` on, is what it has; null = it has always had everything. */
  forgotten: Remains["forgotten"] = null;
  private readonly order: WorldOrder;
  private url: string;
  private readonly hosted: readonly string[];
  private readonly sampling: Promise<void>;
  private isOver = false;
  private starts = 0;

  private constructor(made: Made) {
    this.order = made.order;
    this.fleet = made.fleet;
    this.history = made.history;
    this.upstream = made.upstream;
    this.clients = made.clients;
    this.cluster = made.cluster;
    this.wires = made.wires;
    this.chance = made.chance;
    this.directory = made.directory;
    this.url = made.url;
    this.hosted = made.hosted;
    this.clients.start();
    this.sampling = this.sample();
  }

  /** Everybody is at work when it resolves. */
  static async start(order: WorldOrder): Promise<World> {
    const chance = chances(`${order.file} ${seed}`);
    const directory = mkdtempSync(join(tmpdir(), "signalbox-chaos-"));
    const history = new History(join(directory, "history.jsonl"));
    const upstream = await new Upstream(join(directory, "effects.jsonl"), chance).start();
    const cluster = await Postgres.start(order.cluster ?? {});
    const url = await cluster.createDatabase();
    const wires = await Promise.all(numbers.map(() => Cut.before(cluster.port)));
    const fleet = new Fleet((number) => wires[number]?.through(url) ?? url);
    const yaml = configuration(upstream.url);
    await Promise.all(numbers.map((number) => fleet.start([number], { yaml, ...order.node?.(number) })));
    const first = fleet.node(0);
    await Promise.all(numbers.map((number) => fleet.node(number).toolsAre(["bank__pay", "bank__ask"])));
    await setPolicies(first, paymentsAreApproved.replaceAll("bank/pay", "bank/ask"));
    const { key: personKey } = await makePerson(first, "vera", ["finance"]);
    const hosted: string[] = [];
    for (let n = 0; n < hostedRuns; n++)
      hosted.push(await startHosted(first, "payer", { input: { payments: 6, napMs: 1_100 } }));
    const clients = new Clients({ fleet, history, chance, token: first.agentToken, personKey });
    const made = { order, fleet, history, upstream, clients, cluster, wires, chance, directory, url, hosted };
    return new World(made);
  }

  /** Resolves when so many more requests have been answered with a result: everything is under way, or again. */
  async flows(count: number, withinMs = settleMs): Promise<void> {
    const before = this.history.count("done");
    await until(() => this.history.count("done") >= before + count, withinMs);
  }

  /** In the middle of an effect, which is under way as the node dies: nobody will ever be told how it ended. */
  async kill9(number: number): Promise<void> {
    const node = this.fleet.node(number);
    await this.upstream.holds(async () => {
      await until(() => this.clients.effectsAt(node).some((to) => this.upstream.isBusyWith(to)), settleMs);
      await node.kill9();
    });
  }

  /** From here on nodes find the data in this server. */
  moveTo(server: Postgres): void {
    for (const wire of this.wires) wire.target = server.port;
    const url = new URL(this.url);
    url.port = String(server.port);
    this.url = url.href;
  }

  /** Resolves when this node says that the tenant waits for people. */
  async isInReview(number: number): Promise<void> {
    const isSo = async () => {
      const node = this.fleet.node(number);
      if (!node.isUp) throw new Error(`node ${number} has ended: ${node.log.slice(-2_000)}`);
      return (await node.admin<{ review: object | null }>("GET", "/review")).body.review !== null;
    };
    await until(isSo, settleMs);
  }

  note(what: string): void {
    this.history.note(what, Date.now());
  }

  wire(number: number): Cut {
    const wire = this.wires[number];
    if (wire === undefined) throw new Error(`there is no node ${number}`);
    return wire;
  }

  anyNumber(): number {
    return Math.floor(this.chance() * numbers.length);
  }

  /**
   * Starts others in the place of those that are not there any more, as an orchestrator does: under new names, at once, and again when one
   * of them ends.
   */
  async restart(): Promise<void> {
    const yaml = configuration(this.upstream.url);
    const missing = () => numbers.filter((number) => !this.fleet.node(number).isUp);
    for (let tries = 0; missing().length > 0; tries++) {
      const started = await Promise.allSettled(
        missing().map((number) => {
          const name = `node-${number}-${++this.starts}`;
          return this.fleet.start([number], { name, yaml, ...this.order.node?.(number) });
        }),
      );
      const failed = started.find(({ status }) => status === "rejected");
      if (failed !== undefined && tries === startsMax) throw new Error("no node starts", { cause: failed });
    }
  }

  /** Lets everything come to its end, and demands that nothing in it contradicts what was promised. */
  async holds(more: (remains: Remains) => void = () => undefined): Promise<void> {
    const replay = `CHAOS_SEED=${seed} npx vitest run --config vitest.integration.config.ts ${this.order.file}`;
    const where = `replay with: ${replay}\nwhat happened: ${this.directory}`;
    try {
      const remains = await this.rest();
      expect(violationsIn(remains), where).toEqual([]);
      more(remains);
      // A history in which nothing happened proves nothing.
      expect(this.history.count("done"), where).toBeGreaterThan(60);
      rmSync(this.directory, { recursive: true });
    } catch (thrown) {
      throw new Error(where, { cause: thrown });
    }
  }

  /** Also when something failed. Safe to call twice. */
  async stop(): Promise<void> {
    this.isOver = true;
    if (existsSync(this.directory))
      for (const [i, { log }] of this.fleet.everyNode.entries())
        writeFileSync(join(this.directory, `node-${i}.log`), log);
    await this.fleet.stop();
    await this.clients.finish(0).catch(() => undefined);
    await this.sampling;
    for (const wire of this.wires) await wire.close();
    await this.cluster.stop();
    await this.upstream.stop();
  }

  private async rest(): Promise<Remains> {
    await this.clients.finish(settleMs);
    expect(this.clients.troubles).toEqual([]);
    const at = { postgres: this.url };
    await until(async () => (await readLedger(at)).dispatched.length === 0, settleMs);
    const hosted = new Set(this.hosted);
    const runs = async () =>
      (await this.someNode().admin<{ items: Run[] }>("GET", "/runs?limit=200")).body.items;
    await until(async () => (await runs()).every((run) => !hosted.has(run.run) || isAtEnd(run)), settleMs);
    const ends = await runs();
    this.isOver = true;
    await this.sampling;
    await Promise.all(this.fleet.nodes.map((node) => node.stop()));
    const ledger = await readLedger(at);
    const byId = new Map(ledger.entries.map((entry) => [entry.id, entry]));
    const unknown = new Set(ledger.unknown.map(({ intentEntry }) => byId.get(intentEntry)?.run));
    const tails = ledger.report.tenants.filter(({ tail }) => tail.entries > 0);
    return {
      exchanges: this.history.exchanges,
      effects: this.upstream.effects,
      checkpoints: this.history.checkpoints,
      entries: ledger.entries.map((entry) => ({ ...entry, at: Number(entry.at) })),
      broken: [
        ...ledger.report.tenants.flatMap(({ broken }) => (broken === null ? [] : [JSON.stringify(broken)])),
        ...(ledger.report.isIntact ? [] : ["the ledger does not verify"]),
        ...tails.map(({ tenant, tail }) => `${tail.entries} entries of ${tenant} were never sequenced`),
      ],
      dispatched: ledger.dispatched.map(({ call }) => call),
      runs: ends.map(({ run, name, state }) => ({ name, state, isAtUnknown: unknown.has(run as never) })),
      clocksAgree: this.order.clocksAgree ?? true,
      forgotten: this.forgotten,
    };
  }

  private someNode(): NodeProcess {
    const node = this.fleet.nodes.find(({ isUp }) => isUp);
    if (node === undefined) throw new Error("no node is up");
    return node;
  }

  /** What every node signs, as witnesses would keep it. */
  private async sample(): Promise<void> {
    while (!this.isOver) {
      for (const node of this.fleet.nodes) {
        const url = `${node.url}/api/v1/audit/checkpoint`;
        const headers = { authorization: `Bearer ${node.adminKey}` };
        const response = await fetch(url, { headers, signal: AbortSignal.timeout(sampleEveryMs) }).catch(
          () => null,
        );
        const text = response?.ok === true ? await response.text().catch(() => "") : "";
        const [, size, root] = text.split("\n");
        if (size !== undefined && root !== undefined)
          this.history.saw({ node: node.url, size: Number(size), root, at: Date.now() });
      }
      await new Promise((resolve) => setTimeout(resolve, sampleEveryMs));
    }
  }
}

interface Made {
  readonly order: WorldOrder;
  readonly fleet: Fleet;
  readonly history: History;
  readonly upstream: Upstream;
  readonly clients: Clients;
  readonly cluster: Postgres;
  readonly wires: readonly Cut[];
  readonly chance: () => number;
  readonly directory: string;
  readonly url: string;
  readonly hosted: readonly string[];
}

interface Run {
  readonly run: string;
  readonly name: string;
  readonly state: string;
}

const isAtEnd = ({ state }: Run): boolean => state !== "open";

const payer = fileURLToPath(new URL("../fixtures/hosted-payer.ts", import.meta.url));

const configuration = (url: string): string => `
servers:
  bank:
    url: "${url}"
    concurrencyMax: 100
    callTimeout: 10s
    tools: { look: { class: read }, put: { class: idempotent, keyArgument: key } }
agents: { payer: { module: ${JSON.stringify(payer)}, version: "1", startsMax: 3 } }
`;

/** The same numbers for the same seed; which request draws which is up to the machine. */
function chances(from: string): () => number {
  let count = 0;
  return () => createHash("sha256").update(`${from} ${count++}`).digest().readUInt32BE(0) / 2 ** 32;
}
