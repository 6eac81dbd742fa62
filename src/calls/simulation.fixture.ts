import type { PendingApproval } from "../../contract/index.ts";
import { metaKeys, waitToolName } from "../../contract/index.ts";
import type { ApprovalId } from "../approvals/index.ts";
import { ManualClock, msOf, ok, plusMs, seededRandom } from "../base/index.ts";
import { listOpenCalls } from "../ledger/index.ts";
import type { OpenCall } from "../ledger/index.ts";
import { MemoryDatabase, openMemoryStore } from "../store/index.ts";
import type { FaultOptions } from "../store/index.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import { inputWaitMs } from "./request-state.ts";
import { resolutions, resolveUnknown } from "./resolve.ts";
import type { ResolveOptions } from "./resolve.ts";
import { checkAnswer, checkEverything } from "./simulation-check.fixture.ts";
import { SimulatedNode, dispatchWindowMs, leaseMs, tables, tenants } from "./simulation-node.fixture.ts";
import { SimulatedPeople } from "./simulation-people.fixture.ts";
import { policyVariants } from "./simulation-policies.fixture.ts";
import type { PolicyVariant } from "./simulation-policies.fixture.ts";
import type { Question } from "./simulation-rounds.fixture.ts";
import { Questions } from "./simulation-rounds.fixture.ts";
import type { Sent } from "./simulation-servers.fixture.ts";
import { Dice, SimulatedServers } from "./simulation-servers.fixture.ts";
import type { Wish } from "./simulation-wishes.fixture.ts";
import { newWish, personOf, serviceOf } from "./simulation-wishes.fixture.ts";

/** What the world has seen, for the model to judge. */
export interface Seen {
  readonly wishes: Map<string, Wish>;
  readonly problems: string[];
  answers: number;
  results: number;
  /** Answers that left a call open. */
  held: number;
  crashes: number;
  resolved: number;
  /** How unknown outcomes were settled. */
  readonly ways: Set<string>;
  lost: number;
  /** Yes and no of people that counted. */
  votes: number;
  takenOver: number;
  /** Policy has once said that nobody need be asked. */
  everTrusted: boolean;
  /** No clock has jumped: wall time and store time are one. */
  isStoreTimeTrue: boolean;
}

/** What happens in one life, one thing after another. */
const ticks = 60;

/** Plays one seed from an empty database to a healed one, and says what was wrong: nothing, if all promises hold. */
export async function simulate(seed: number): Promise<Seen & { readonly sent: readonly Sent[] }> {
  const simulation = new Simulation(seed);
  await simulation.play();
  return { ...simulation.seen, sent: simulation.servers.sent };
}

class Simulation {
  readonly clock = new ManualClock();
  readonly database = new MemoryDatabase(tables);
  readonly seen: Seen = {
    wishes: new Map(),
    problems: [],
    answers: 0,
    results: 0,
    held: 0,
    crashes: 0,
    resolved: 0,
    ways: new Set(),
    lost: 0,
    votes: 0,
    takenOver: 0,
    everTrusted: false,
    isStoreTimeTrue: false,
  };
  readonly servers: SimulatedServers;
  private readonly dice: Dice;
  private readonly seed: number;
  private readonly reader: ReturnType<typeof openMemoryStore>;
  /** Paused processes that come back, or wild clocks; both at once would break what the design promises of a retry. */
  private readonly hasZombies: boolean;
  /** Nothing dies, and all the more often the disk is full. */
  private readonly isCalm: boolean;
  private readonly hasPeer: boolean;
  /** Nodes take over from those whose leases have run out, also from one that was only slow. */
  private readonly takesOver: boolean;
  private readonly zombies: SimulatedNode[] = [];
  private readonly questions: Questions;
  private readonly people: SimulatedPeople;
  /** What callers were told to come back for. */
  private readonly told: { readonly wish: Wish; readonly pending: PendingApproval }[] = [];
  private variant: PolicyVariant = "asks";
  private description = "1";
  /** Another node on the same store, which lives as long as nothing happens to it. */
  private peer: SimulatedNode | null = null;
  private node: SimulatedNode | null = null;
  private readonly pending = new Set<Promise<void>>();
  private boots = 0;
  private takenOver = 0;
  private requests = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.dice = new Dice(seededRandom(`dice ${seed}`));
    this.hasZombies = this.dice.chance(50);
    this.isCalm = this.dice.chance(30);
    this.seen.isStoreTimeTrue = this.hasZombies;
    this.hasPeer = this.dice.chance(40);
    this.takesOver = this.hasPeer && !this.isCalm && this.dice.chance(60);
    this.servers = new SimulatedServers(this.clock, this.dice);
    this.questions = new Questions(this.clock, this.dice);
    this.servers.onSent = (sent) => this.countSent(sent);
    this.reader = openMemoryStore({ tables, clock: this.clock, database: this.database });
    this.people = new SimulatedPeople(this.clock, this.dice, this.reader);
  }

  async play(): Promise<void> {
    await this.reader.start();
    for (let tick = 0; tick < ticks; tick++) {
      if (this.node !== null && this.dice.chance(30) && (await this.node.hasDeadStore())) this.crash();
      if (this.node === null || this.node.isDead) await this.boot(true);
      if (this.hasPeer) await this.keepPeer();
      await this.happen();
      for (let i = this.dice.below(4); i >= 0; i--) await this.pass(this.dice.below(60));
    }
    await this.heal();
    this.seen.takenOver = this.takenOver;
    this.seen.votes = this.people.approved + this.people.denied;
    this.seen.problems.push(...this.people.problems);
    await checkEverything(this.seen, this.servers.sent, this.reader, this.node as SimulatedNode);
    await this.resolveAll();
    for (const node of [this.node, this.peer, ...this.zombies]) node?.crash();
  }

  private async happen(): Promise<void> {
    const { dice } = this;
    const what = dice.below(100);
    if (what < 24) this.ask(this.wish());
    else if (what < 35) this.askAgain();
    else if (what < 40) this.askAtOnce();
    else if (what < 49) this.answerBack();
    else if (what < 52) this.lookAtTask();
    else if (what < 67) this.vote();
    else if (what < 72) this.waitFor();
    else if (what < 74) await this.changeWhatCounts();
    else if (what < 78) await this.resolve();
    else if (what < 80) await this.passInSteps(dice.below(30_000));
    else if (this.isCalm) return;
    else if (what < 84) this.crash();
    else if (what < 88 && this.hasZombies) await this.takeOver();
    else if (what < 90) await this.stopNode();
    else if (what < 91 && !this.hasZombies) await this.nextDay();
  }

  private wish(): Wish {
    const wish = newWish(this.dice, this.seen.wishes);
    this.seen.wishes.set(wish.label, wish);
    return wish;
  }

  private askAgain(): void {
    const known = [...this.seen.wishes.values()];
    const wish = known.at(-1 - this.dice.below(12));
    if (wish === undefined) return;
    this.ask(wish);
    // What is on record for other arguments must never be given, nor anything sent.
    if (wish.texts.size > 0 && wish.isNamed && this.dice.chance(30)) this.ask({ ...wish, label: "other" });
  }

  private askAtOnce(): void {
    const wish = this.wish();
    for (let i = 2 + this.dice.below(3); i > 0; i--) this.ask(wish);
  }

  /** Comes back with a state: as it should, twice at once, or with what belongs to another request. */
  private answerBack(): void {
    const { dice, questions } = this;
    const question = questions.draw();
    if (question === undefined) return;
    if (dice.chance(10)) this.steal(question);
    for (let i = dice.chance(25) ? 2 : 1; i > 0; i--) this.ask(question.wish, questions.roundOf(question));
  }

  private steal(question: Question): void {
    const other = this.dice.pick([...this.seen.wishes.values()]);
    if (other.label === question.wish.label) return;
    const thief = { ...other, label: `thief of ${question.wish.label}`, texts: new Set<string>() };
    this.work(
      this.call(thief, this.questions.roundOf(question), (answer) => {
        if (answer.kind !== "refused") this.seen.problems.push(`${thief.label} was given ${answer.kind}`);
      }),
    );
  }

  /** People vote on any node, up to three at the same moment; sometimes all who may say yes, and the caller is back at once. */
  private vote(): void {
    const { dice, people } = this;
    const node = this.anyNode();
    if (node === null) return;
    const last = this.told.at(-1 - dice.below(3));
    if (last !== undefined && dice.chance(45)) {
      const { approval } = last.pending;
      const agreeing = people.agree(node, approval as ApprovalId, last.wish.principal.tenant);
      this.work(this.unlessItDies(node, agreeing).then(() => this.ask(last.wish)));
      return;
    }
    for (let i = dice.below(3); i >= 0; i--)
      this.work(this.unlessItDies(dice.chance(70) ? node : (this.anyNode() ?? node), people.decide(node)));
  }

  /** Comes back by the tool that waits: its caller, several times at once, or somebody else, who is told nothing. */
  private waitFor(): void {
    const { dice, told } = this;
    const back = told.at(-1 - dice.below(6));
    if (back === undefined) return;
    const args = { call: back.pending.call, seconds: 1 + dice.below(40) };
    const other = [...this.seen.wishes.values()].find(({ principal }) => principal !== back.wish.principal);
    if (dice.chance(15) && other !== undefined) {
      const thief = { ...other, label: "a stranger who waits" };
      const hear = (answer: CallAnswer) => {
        if (answer.kind !== "refused" || answer.receipt?.entry.startsWith(back.pending.call) === true)
          this.seen.problems.push(`${back.pending.call} was told to a stranger: ${JSON.stringify(answer)}`);
      };
      this.work(this.call(thief, null, hear, { name: waitToolName, args }));
    }
    for (let i = dice.chance(30) ? 3 : 1; i > 0; i--)
      this.work(
        this.call(back.wish, null, (answer) => this.hear(back.wish, answer), {
          name: waitToolName,
          args,
        }),
      );
  }

  /** Policies are loaded anew on one node before the others, or a tool is described anew and approved. */
  private async changeWhatCounts(): Promise<void> {
    const node = this.anyNode();
    if (node === null) return;
    if (this.dice.chance(70)) {
      this.variant = this.dice.pick(policyVariants);
      if (this.variant === "trusts") this.seen.everTrusted = true;
      node.variant = this.variant;
    } else {
      this.description = `${Number(this.description) + 1}`;
      await this.until(this.unlessItDies(node, node.describeTools(this.description)));
    }
  }

  private anyNode(): SimulatedNode | null {
    const node = this.dice.chance(25) ? (this.peer ?? this.node) : this.node;
    return node === null || node.isDead ? null : node;
  }

  /** The disk may be full, or the process may die: somebody will try again. */
  private unlessItDies(node: SimulatedNode, work: Promise<void>): Promise<void> {
    return node.whileAlive(work).then(
      () => undefined,
      () => undefined,
    );
  }

  private lookAtTask(): void {
    const { node, clock } = this;
    const task = this.questions.tasks.at(-1 - this.dice.below(5));
    if (task === undefined || node?.line === null || node === null) return;
    const isForeign = this.dice.chance(10);
    const who = isForeign ? personOf(task.wish.principal.tenant) : task.wish.principal;
    const work = node.whileAlive(
      node.line.task({
        requestId: `task ${msOf(clock.monotonic())}`,
        authenticate: () => ok(who),
        method: "tasks/get",
        taskId: task.taskId,
        inputResponses: null,
        profile: task.wish.profile,
        signal: new AbortController().signal,
      }),
    );
    this.work(
      work.then((answer) => {
        if (isForeign && answer !== null && answer.kind !== "refused")
          this.seen.problems.push(`${task.taskId} was shown to somebody else`);
      }),
    );
  }

  private ask(wish: Wish, round: CallInput["round"] = null): void {
    this.work(this.call(wish, round, (answer) => this.hear(wish, answer)));
  }

  private work(work: Promise<void>): void {
    this.pending.add(work);
    void work.finally(() => this.pending.delete(work));
  }

  private async call(
    wish: Wish,
    round: CallInput["round"],
    hear: (answer: CallAnswer) => void,
    instead?: { readonly name: string; readonly args: Readonly<Record<string, unknown>> },
  ): Promise<void> {
    const { clock, dice, seen, questions } = this;
    const elsewhere = dice.pick([this.zombies.at(-1) ?? null, this.peer]);
    const node = dice.chance(25) ? (elsewhere ?? this.node) : this.node;
    if (node === null || node.line === null || node.isDead) return;
    const caller = new AbortController();
    if (dice.chance(15)) {
      wish.wasWithdrawn = true;
      clock.after(dice.below(300), () => caller.abort());
    }
    const answer = await node.whileAlive(
      node.line.call({
        requestId: `req ${this.requests++}`,
        authenticate: () => ok(wish.principal),
        method: "tools/call",
        name: instead?.name ?? `sim__${wish.tool}`,
        arguments: instead?.args ?? { label: wish.label },
        meta: instead === undefined ? wish.meta : {},
        deadline: dice.chance(20) ? { at: plusMs(clock.monotonic(), dice.below(800)) } : null,
        signal: caller.signal,
        profile: wish.profile,
        logLevel: null,
        round,
        ask: wish.isInSession && wish.profile.key !== "{}" ? questions.ask : null,
        onLog: null,
        onProgress: null,
        receivedAt: clock.monotonic(),
      }),
    );
    if (answer === null) {
      seen.lost++;
      return;
    }
    hear(answer);
    if (answer.kind === "refused" && answer.refusal.code === "cancelled" && !wish.wasWithdrawn)
      seen.problems.push(`${wish.label}: told that it was withdrawn, which its caller had not done`);
  }

  private hear(wish: Wish, answer: CallAnswer): void {
    this.seen.answers++;
    if (answer.kind === "result") this.seen.results++;
    if (answer.kind === "input-required" || answer.kind === "task") this.seen.held++;
    this.questions.hear(wish, answer);
    if (answer.kind === "refused" && answer.refusal.pending !== undefined)
      this.told.push({ wish, pending: answer.refusal.pending });
    for (const problem of checkAnswer(wish, answer, this.database)) this.seen.problems.push(problem);
  }

  private countSent(sent: Sent): void {
    const { label } = JSON.parse(sent.argumentsText) as { label: string };
    const wish = this.seen.wishes.get(label);
    if (wish === undefined) {
      this.seen.problems.push(`"${label}" was sent although its step has other arguments`);
      return;
    }
    // An idempotent call carries its key (here the label): sent twice, it is carried out once.
    if (sent.tool === "read" || sent.tool === "idempotent" || !wish.isNamed) return;
    const times = this.timesSent(wish);
    if (times > wish.allowed)
      this.seen.problems.push(`${label} was sent ${times} times; allowed were ${wish.allowed}`);
  }

  /** What a server proved not to have carried out does not count. */
  private timesSent({ label }: Wish): number {
    const text = JSON.stringify({ label });
    return this.servers.sent.filter((each) => each.argumentsText === text && !each.rejected).length;
  }

  /** Nothing that has not been sent by now may still be sent beside the one more. */
  private allowOneMore(wish: Wish): void {
    wish.allowed = Math.max(wish.allowed, this.timesSent(wish) + 1);
  }

  private async unknownCalls(): Promise<OpenCall[]> {
    const lists = await Promise.all(
      tenants.map((tenant) => listOpenCalls(this.reader, tenant, "unknown", { limit: 1_000 })),
    );
    return lists.flat();
  }

  /** A person looks at a call whose outcome is unknown and says what it finds. */
  private async resolve(): Promise<void> {
    const node = this.node as SimulatedNode;
    const open = this.dice.pick(await this.unknownCalls());
    if (open === undefined) return;
    const resolution = this.dice.pick(resolutions);
    const person = personOf(open.tenant);
    const options = this.resolving(node);
    const work = node.whileAlive(
      resolveUnknown(person, open.call, resolution, "looked", options).then(async (change) => {
        if (!change.ok) return change.refusal.code === "conflict";
        const wish = resolution === "retry" ? await this.wishOf(node, open) : null;
        // From the commit on the step may be entered again, whether or not anybody heard that it went through.
        const before = wish?.allowed ?? 0;
        if (wish !== null) this.allowOneMore(wish);
        const verdict = await node.store.commit(change.value.writes);
        if (verdict.verdict === "done") {
          this.seen.resolved++;
          change.value.applied();
          if (wish !== null) this.ask(wish);
        } else if (wish !== null) wish.allowed = before;
        return true;
      }),
    );
    await this.until(
      work.then(
        () => undefined,
        () => undefined, // the disk was full, or the process died: somebody will look again
      ),
    );
  }

  private resolving({ store, keys, ledger }: SimulatedNode): ResolveOptions {
    return { clock: this.clock, store, keys, ledger, leaseMs };
  }

  /** Whatever has happened: a person can settle every call that is still unknown. */
  private async resolveAll(): Promise<void> {
    const node = this.node as SimulatedNode;
    for (const open of await this.unknownCalls()) {
      const person = personOf(open.tenant);
      const change = await resolveUnknown(person, open.call, "done", "", this.resolving(node));
      const verdict = change.ok
        ? (await node.store.commit(change.value.writes)).verdict
        : change.refusal.code;
      if (verdict !== "done") this.seen.problems.push(`nobody can resolve ${open.call}: ${verdict}`);
    }
    const left = await this.unknownCalls();
    if (left.length > 0) this.seen.problems.push(`${left.length} calls are unknown after all were resolved`);
  }

  private async wishOf(node: SimulatedNode, open: OpenCall): Promise<Wish | null> {
    const entry = await node.ledger.entry(open.tenant, open.intentEntry);
    const opened = entry === null ? null : await node.ledger.payload(entry);
    if (opened === null || opened.erased) return null;
    const { label } = JSON.parse(opened.payload.arguments ?? "{}") as { label: string };
    return this.seen.wishes.get(label) ?? null;
  }

  private crash(): void {
    this.node?.crash();
    this.seen.crashes++;
  }

  /** The process stands still so long that another takes its place, and then goes on. */
  private async takeOver(): Promise<void> {
    const { dice, servers } = this;
    servers.nextPauseMs = dice.below(dispatchWindowMs);
    let wish = this.wish();
    while (wish.tool === "read" || !wish.isNamed) wish = this.wish();
    this.ask(wish);
    for (let i = 0; i < 5; i++) await this.pass(50);
    servers.nextPauseMs = 0;
    this.zombies.push(this.node as SimulatedNode);
    await this.boot(true);
    this.seen.crashes++;
    // Somebody may be quick to allow what the paused process is still about to do, or to come back for it.
    this.ask(wish);
    await this.resolve();
  }

  private async stopNode(): Promise<void> {
    const node = this.node as SimulatedNode;
    await this.until(node.whileAlive(node.line?.stop(this.dice.below(2_000)) ?? Promise.resolve()));
    node.crash(); // what did not end in time is cut off
  }

  private async nextDay(): Promise<void> {
    for (const wish of this.seen.wishes.values()) {
      if (wish.meta[metaKeys.key] === undefined) continue;
      this.allowOneMore(wish);
      wish.texts.clear();
    }
    for (const node of [this.node, this.peer, ...this.zombies]) node?.crash(); // switched off overnight
    await this.pass(25 * 3_600_000);
  }

  /** A new process on the same database. */
  private async boot(mayFail: boolean): Promise<void> {
    this.node = await this.started("local", mayFail);
  }

  private async keepPeer(): Promise<void> {
    if (this.peer !== null && !this.peer.isDead && this.dice.chance(10)) {
      if (!this.isCalm && this.dice.chance(30)) this.peer.crash();
      else if (await this.peer.hasDeadStore()) this.peer.crash();
    }
    if (this.peer === null || this.peer.isDead) this.peer = await this.started("peer", true);
  }

  /** It may die while it starts; then the next one does better. */
  private async started(name: string, mayFail: boolean): Promise<SimulatedNode> {
    for (let attempt = 0; attempt < 50; attempt++) {
      const node = new SimulatedNode({
        name,
        clock: this.clock,
        random: seededRandom(`node ${this.seed} ${this.boots++}`),
        database: this.database,
        servers: this.servers,
        variant: this.variant,
        description: this.description,
        serviceOf,
        holder: `${name} ${this.boots}`,
        takesOver: this.takesOver,
        onTakenOver: () => this.takenOver++,
        faults: { random: seededRandom(`faults ${this.seed} ${this.boots}`), ...this.faults(mayFail) },
      });
      const isStarted = await this.until(
        node.start().then(
          () => true,
          () => false,
        ),
      );
      if (isStarted) return node;
      node.crash();
    }
    throw new Error("no process could be started");
  }

  private faults(mayFail: boolean): Omit<FaultOptions, "random"> {
    if (!mayFail) return { chances: {} };
    return {
      chances: {
        "disk-full": this.isCalm ? 0.06 : 0.02,
        "slow-flush": 0.1,
        "crash-before-commit": this.isCalm ? 0 : 0.005,
        "crash-after-commit": this.isCalm ? 0 : 0.005,
        "time-jump": this.hasZombies ? 0 : 0.02,
      },
      slowFlushMsMax: 200,
    };
  }

  /** Everything goes well from here: what is under way ends, and one more process starts and finds what is left. */
  private async heal(): Promise<void> {
    // From here on time passes in steps longer than a lease.
    for (const node of [this.node, this.peer]) if (node !== null) await this.until(node.leaveOthersAlone());
    for (const node of [this.node, this.peer, ...this.zombies]) node?.store.faults.heal();
    await this.until(Promise.all(this.pending));
    for (let i = 0; i < 4; i++) await this.pass(dispatchWindowMs / 2);
    // Until the last question is given up, and what nobody came back for is abandoned.
    const isAlive = await this.isAllAlive();
    for (let ms = 0; ms < inputWaitMs + 20 * 60_000; ms += 30_000) await this.pass(30_000);
    if (isAlive && (await this.isAllAlive())) await this.checkNothingHangs();
    (this.node as SimulatedNode).crash();
    await this.boot(false);
    if (this.hasPeer) {
      this.peer?.crash();
      this.peer = await this.started("peer", false);
    }
    // Those that were dead had nobody to abandon what waited on them.
    for (let ms = 0; ms < 3 * 60_000; ms += 1_000) await this.pass(1_000);
    // Nodes that live go on asking about what is unknown, and write down each answer.
    for (const node of [this.node, this.peer]) await this.until(node?.line?.stop(0) ?? Promise.resolve());
    // What was written last is sequenced as well, by whichever node has the turn.
    for (let ms = 0; ms < 10_000; ms += 250) await this.pass(250);
  }

  private async isAllAlive(): Promise<boolean> {
    for (const node of [this.node, this.peer])
      if (node !== null && (node.isDead || (await node.hasDeadStore()))) return false;
    return true;
  }

  /** A node that lives needs no restart to know how its calls ended. */
  private async checkNothingHangs(): Promise<void> {
    for (const tenant of tenants) {
      for (const state of ["dispatched", "waiting", "pending"] as const) {
        for (const { call } of await listOpenCalls(this.reader, tenant, state, { limit: 1_000 }))
          this.seen.problems.push(`nobody drives call ${call}, and it is still ${state}`);
      }
    }
    for (const node of [this.node, this.peer])
      if ((node?.line?.callsUnderWay ?? 0) > 0)
        this.seen.problems.push(`${node?.line?.callsUnderWay} calls are under way that nobody waits for`);
  }

  private async until<T>(work: Promise<T>): Promise<T> {
    const progress = { isDone: false };
    const finished = work.finally(() => (progress.isDone = true));
    for (let i = 0; i < 2_000 && !progress.isDone; i++)
      await this.pass(i < 200 ? 5 : i < 1_000 ? 200 : 2_000);
    if (!progress.isDone)
      throw new Error(`seed ${this.seed}: something never ends at ${msOf(this.clock.monotonic())}`);
    return finished;
  }

  /** Time in which whoever lives does what is due; in one leap everybody would only have been asleep. */
  private async passInSteps(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= 1_000) await this.pass(Math.min(leftMs, 1_000));
  }

  private async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
