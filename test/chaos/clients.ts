import { OutcomeUnknown, RunInReview, connect } from "../../sdk/index.ts";
import { metaKeys } from "../../contract/index.ts";
import type { Fleet } from "../fixtures/fleet.ts";
import type { Answer, NodeProcess } from "../fixtures/node-process.ts";
import { answerOf } from "../fixtures/node-process.ts";
import { personWith } from "../fixtures/approvals.ts";
import type { Heard, History, Wish } from "./history.ts";

/** Who has heard nothing for so long asks another node: less than a lease, so that the silent are left before they are given up. */
const patienceMs = 6_000;
const againMs = 150;
/** Between two wishes of one client: two cores are shared by three nodes, a database and everybody here. */
const restMs = 40;
const stepsPerAgent = 6;

export interface ClientsOptions {
  readonly fleet: Fleet;
  readonly history: History;
  /** 0 to 1, from the seed. */
  readonly chance: () => number;
  readonly token: string;
  /** Of somebody who may approve. */
  readonly personKey: string;
}

/** Everybody who wants something of a fleet, each with requests to whichever node a balancer would pick. */
export class Clients {
  private readonly options: ClientsOptions;
  private readonly names = new Map<string, number>();
  private readonly working: Promise<void>[] = [];
  /** What is waited for, and at which node. */
  private readonly underWay = new Map<Wish, NodeProcess>();
  private isOver = false;
  private readonly givenUp = new AbortController();
  readonly troubles: unknown[] = [];

  constructor(options: ClientsOptions) {
    this.options = options;
  }

  start(): void {
    const everybody = [
      ...Array.from({ length: 2 }, () => () => this.read()),
      ...Array.from({ length: 4 }, () => () => this.pay()),
      ...Array.from({ length: 2 }, () => () => this.put()),
      ...Array.from({ length: 3 }, () => () => this.agent()),
    ];
    for (const work of everybody) this.working.push(this.repeat(work));
    this.working.push(this.approver());
  }

  /** Nobody wants anything new; resolves when everybody knows how what they wanted has ended, or that nobody does. */
  async finish(withinMs: number): Promise<void> {
    this.isOver = true;
    const late = setTimeout(() => this.givenUp.abort(new Error("too late")), withinMs);
    await Promise.all(this.working);
    clearTimeout(late);
    if (this.isGivenUp) throw new Error(`not everybody has heard how it ended within ${withinMs} ms`);
  }

  private get isGivenUp(): boolean {
    return this.givenUp.signal.aborted;
  }

  /** As a balancer that has not noticed yet who is silent, but knows who is gone. */
  node(): NodeProcess {
    const up = this.options.fleet.nodes.filter((node) => node.isUp);
    const picked = up[Math.floor(this.options.chance() * up.length)];
    if (picked === undefined) throw new TypeError("no node is up");
    return picked;
  }

  /** Effects that somebody waits for at this node. */
  effectsAt(node: NodeProcess): readonly string[] {
    return [...this.underWay].flatMap(([wish, at]) =>
      at === node && wish.class === "effect" ? [wish.to] : [],
    );
  }

  private get isAnyUp(): boolean {
    return this.options.fleet.nodes.some((node) => node.isUp);
  }

  private async repeat(work: () => Promise<void>): Promise<void> {
    while (!this.isOver) {
      await work().catch((thrown: unknown) => this.troubles.push(thrown));
      await pause(restMs);
    }
  }

  private async read(): Promise<void> {
    await this.ask({ to: this.fresh("look"), class: "read", isApproved: false, name: null }, "bank__look");
  }

  private async pay(): Promise<void> {
    const to = this.fresh("pay");
    await this.until({ to, class: "effect", isApproved: false, name: { key: to } }, "bank__pay");
  }

  private async put(): Promise<void> {
    const to = this.fresh("put");
    await this.until({ to, class: "idempotent", isApproved: false, name: { key: to } }, "bank__put");
  }

  /** The same call until it is known how it ended. What has an unknown outcome for good says so in its code. */
  private async until(wish: Wish, tool: string): Promise<void> {
    while (!this.isGivenUp) {
      const heard = await this.ask(wish, tool);
      if (heard.kind === "done") return;
      if (heard.kind === "refused" && isFinal(heard.code)) return;
      await pause(againMs);
    }
  }

  /** A run from its beginning to its end, by a program that is started again as often as it takes. */
  private async agent(): Promise<void> {
    const run = this.fresh("agent");
    const { token } = this.options;
    const box = connect({
      url: "http://fleet.invalid",
      token,
      fetch: (input, init) => this.fetch(input, init),
    });
    while (!this.isGivenUp) {
      try {
        await box.run(
          run,
          async (step) => {
            for (let n = 0; n < stepsPerAgent; n++) {
              const name = `${run}.${n}`;
              await step.random(`${name}.chance`);
              await step.tool(name, n === stepsPerAgent - 1 ? "bank__ask" : "bank__pay", { to: name });
            }
          },
          { signal: this.givenUp.signal },
        );
        return;
      } catch (thrown) {
        if (thrown instanceof OutcomeUnknown || thrown instanceof RunInReview) return;
        this.options.history.note(`${run}: ${String(thrown)}`, Date.now());
        await pause(againMs);
      }
    }
  }

  /** Says yes to everything, at any node, as long as anybody may be waiting for it. */
  private async approver(): Promise<void> {
    const others = { areDone: false };
    void Promise.all(this.working).then(() => (others.areDone = true));
    while (!others.areDone && !this.isGivenUp) {
      await this.approveAll().catch(() => undefined); // the node has gone, or somebody was faster
      await pause(againMs);
    }
  }

  private async approveAll(): Promise<void> {
    const node = this.node();
    const { personKey } = this.options;
    const response = await fetch(`${node.url}/api/v1/approvals`, {
      headers: { authorization: `Bearer ${personKey}` },
      signal: AbortSignal.timeout(patienceMs),
    });
    const { items = [] } = (await response.json()) as { items?: { id: string }[] };
    const person = personWith(node, personKey);
    await Promise.allSettled(items.map(({ id }) => person.decide(id, "approve")));
  }

  /** One request, on record with what came of it. */
  private async ask(wish: Wish, tool: string): Promise<Heard> {
    const { history, token } = this.options;
    if (!this.isAnyUp) return lost;
    const node = this.node();
    const askedAt = Date.now();
    const meta = wish.name !== null && "key" in wish.name ? { [metaKeys.key]: wish.name.key } : {};
    this.underWay.set(wish, node);
    const heard = await node
      .call(tool, { to: wish.to }, { meta, token, signal: AbortSignal.timeout(patienceMs) })
      .then(heardOf, () => lost)
      .finally(() => this.underWay.delete(wish));
    history.add({ wish, node: node.url, askedAt, heardAt: Date.now(), heard });
    return heard;
  }

  /** What an agent's SDK sends, to any node, with its tool calls on record. */
  private async fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const node = this.node();
    const path = String(input instanceof Request ? input.url : input).replace(
      "http://fleet.invalid",
      node.url,
    );
    const wish = wishIn(init.body);
    const askedAt = Date.now();
    if (wish !== null) this.underWay.set(wish, node);
    const say = (heard: Heard): void => {
      if (wish !== null)
        this.options.history.add({ wish, node: node.url, askedAt, heardAt: Date.now(), heard });
    };
    const patience = AbortSignal.timeout(patienceMs);
    const signal = init.signal ? AbortSignal.any([init.signal, patience]) : patience;
    try {
      const response = await fetch(path, { ...init, signal });
      const text = await response.text();
      say(heardOf(answerOf(response.status, text)));
      return new Response(text, { status: response.status, headers: response.headers });
    } catch (thrown) {
      say(lost);
      // As the platform says that a connection broke.
      throw patience.aborted ? new TypeError("nobody answered in time", { cause: thrown }) : thrown;
    } finally {
      if (wish !== null) this.underWay.delete(wish);
    }
  }

  private fresh(kind: string): string {
    const n = (this.names.get(kind) ?? 0) + 1;
    this.names.set(kind, n);
    return `${kind}-${n}`;
  }
}

const lost: Heard = { kind: "lost" };

/** Nobody will ever hear more of a call than this, until people settle it. */
const isFinal = (code: string): boolean => code === "outcome-unknown" || code === "run-in-review";

function heardOf({ code, text, effect, receipt, status }: Answer): Heard {
  if (code !== null) return { kind: "refused", code, effect: effect ?? "none" };
  if (receipt === null) return { kind: "refused", code: `status ${status}`, effect: "unknown" };
  return { kind: "done", text, entry: receipt.entry, leaf: receipt.leaf };
}

/** The tool call in what an agent sends; null = it is something else. */
function wishIn(body: RequestInit["body"]): Wish | null {
  if (typeof body !== "string") return null;
  const { method, params } = JSON.parse(body) as {
    readonly method?: string;
    readonly params?: {
      readonly name: string;
      readonly arguments?: { readonly to?: string };
      readonly _meta: Readonly<Record<string, unknown>>;
    };
  };
  const to = params?.arguments?.to;
  if (method !== "tools/call" || params === undefined || to === undefined) return null;
  const step = String(params._meta[metaKeys.step]);
  return { to, class: "effect", isApproved: params.name === "bank__ask", name: { step } };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
