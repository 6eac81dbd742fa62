import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import type { KillPoint } from "../fixtures/kill-point.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { outcomesOf, provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/**
 * A node dies by -9 at each numbered point of a call's life (ARCHITECTURE.md, "How a call ends"), starts again on the same data, and the
 * agent and the person who is asked come back. Each node dies once and proves how the one before it died.
 */
const points: Readonly<Record<number, KillPoint | "told" | "approved" | "bytes left" | "answer left">> = {
  1: { entry: "request", when: "before" },
  2: { entry: "request", when: "after" },
  3: "told",
  4: { entry: "vote", when: "before" },
  5: { entry: "vote", when: "after" },
  6: "approved",
  7: { entry: "intent", when: "before" },
  8: { entry: "intent", when: "after" },
  9: "bytes left",
  10: { entry: "outcome", when: "before" },
  11: { entry: "outcome", when: "after" },
  12: "answer left",
};

interface Kind {
  readonly what: string;
  readonly tool: string;
  readonly meta: (name: string) => Readonly<Record<string, unknown>>;
  readonly isAsked: boolean;
  readonly points: readonly number[];
}

const step = (name: string) => ({ [metaKeys.run]: "r", [metaKeys.step]: name });
const key = (name: string) => ({ [metaKeys.key]: name });
const unnamed = () => ({});
const asked = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const intended = [7, 8, 9, 10, 11, 12];

const kinds: readonly Kind[] = [
  {
    what: "an effect that is a step, and asked about",
    tool: "bank__pay",
    meta: step,
    isAsked: true,
    points: asked,
  },
  {
    what: "an effect without a name, asked about",
    tool: "bank__pay",
    meta: unnamed,
    isAsked: true,
    points: [2, 5, ...intended],
  },
  {
    what: "an idempotent call under a key, asked about",
    tool: "shop__pay",
    meta: key,
    isAsked: true,
    points: intended,
  },
  {
    what: "a read that is a step, and asked about",
    tool: "bank__look",
    meta: step,
    isAsked: true,
    points: intended,
  },
  { what: "an effect that is a step", tool: "bank__pay", meta: step, isAsked: false, points: intended },
  { what: "an effect without a name", tool: "bank__pay", meta: unnamed, isAsked: false, points: intended },
  { what: "an idempotent call under a key", tool: "shop__pay", meta: key, isAsked: false, points: intended },
  {
    what: "a verifiable call that is a step, and asked about",
    tool: "fund__pay",
    meta: step,
    isAsked: true,
    points: intended,
  },
  {
    what: "a verifiable call that is a step",
    tool: "fund__pay",
    meta: step,
    isAsked: false,
    points: intended,
  },
  // Its only record is its outcome.
  { what: "a read that is a step", tool: "bank__look", meta: step, isAsked: false, points: [9, 10, 11, 12] },
];

let bank: CountingServer;
let directory: string;
let node: NodeProcess;
const receipts: Answer["receipt"][] = [];

const start = async (): Promise<NodeProcess> => {
  const started = await NodeProcess.start({
    directory,
    yaml: `
servers:
  bank: { url: "${bank.url}", tools: { look: { class: read } } }
  shop: { url: "${bank.url}", tools: { pay: { class: idempotent, keyArgument: to } } }
  fund:
    url: "${bank.url}"
    callTimeout: 60s
    tools: { pay: { class: verifiable, verifyTool: paid, verifyArguments: [to] }, paid: { class: read } }
policies: { files: [policies/*.cedar] }
`,
  });
  await started.toolsAre(["bank__pay", "bank__look", "shop__pay", "fund__pay", "fund__paid"]);
  return started;
};

/** Each kind on data of its own: an administrator may not have more keys than a node has starts here. */
const openDirectory = async (): Promise<void> => {
  directory = newDirectory();
  mkdirSync(join(directory, "policies"));
  const asking = (id: string, attribute: string) =>
    `@id("${id}") @approve("group=admin") forbid(principal is Agent, action == Action::"call", resource)
      when { context.args has ${attribute} && context.args.${attribute} like "asked*" };`;
  writeFileSync(
    join(directory, "policies", "p.cedar"),
    `permit(principal, action, resource);\n${asking("pay", "to")}\n${asking("look", "what")}`,
  );
  receipts.length = 0;
  node = await start();
};

beforeAll(async () => {
  bank = await new CountingServer().start();
  bank.isAskable = true;
});
afterAll(() => bank.stop());

const never = (): Promise<"never"> => new Promise(() => undefined);

class Case {
  readonly name: string;
  private readonly kind: Kind;

  constructor(kind: Kind, name: string) {
    this.kind = kind;
    this.name = name;
  }

  get received(): number {
    return bank.received.filter(({ args }) => (args["to"] ?? args["what"]) === this.name).length;
  }

  /** null = the connection was lost. */
  call(): Promise<Answer | null> {
    const { tool, meta } = this.kind;
    const args = tool === "bank__look" ? { what: this.name } : { to: this.name, amount: 1 };
    return node.call(tool, args, { meta: meta(this.name) }).then(
      (answer) => {
        if (answer.receipt !== null) receipts.push(answer.receipt);
        return answer;
      },
      () => null,
    );
  }

  /** The one request that is pending, if there is one. */
  async pending(): Promise<{ readonly id: string; readonly intent: string } | null> {
    const { body } = await node.admin<{ items: { id: string; intent: string }[] }>("GET", "/approvals");
    expect(body.items.length).toBeLessThanOrEqual(1);
    return body.items[0] ?? null;
  }

  /** What the API said to a yes; null = the connection was lost. */
  async vote(): Promise<number | null> {
    const found = await this.pending();
    if (found === null) return null;
    return node.admin("POST", `/approvals/${found.id}/approve`, { intent: found.intent }).then(
      ({ status }) => status,
      () => null,
    );
  }

  /** Up to the point, at which the node dies. */
  async untilDeath(at: number): Promise<void> {
    const point = points[at];
    if (typeof point === "object") await node.dieAt(point);
    if (point === "bytes left") bank.hold();
    await this.goOn(point);
    if (this.kind.isAsked && node.isUp) {
      if (point === "told") return node.kill9();
      if ((await this.vote()) === null) return node.dead();
      if (point === "approved") return node.kill9();
      await this.goOn(point);
    }
    if (point === "bytes left" || point === "answer left") await node.kill9();
    bank.release();
    await node.dead();
  }

  /** Until the call is answered, its bytes have left, or the node is dead. */
  private async goOn(point: (typeof points)[number] | undefined): Promise<void> {
    const before = this.received;
    const answer = this.call();
    const left = point === "bytes left" ? until(() => this.received > before, 30_000).catch(never) : never();
    if ((await Promise.race([answer, left])) === null) await node.dead();
  }

  /** The agent comes back until it has an end, and the person says yes when asked. */
  async toItsEnd(): Promise<{ readonly answer: Answer; readonly votes: number }> {
    let votes = 0;
    for (let i = 0; i < 4; i++) {
      const answer = await this.call();
      if (answer?.code !== "approval-needed") return { answer: answer as Answer, votes };
      if ((await this.vote()) === 200) votes++;
    }
    throw new Error(`${this.name} does not end`);
  }
}

describe.each(kinds)("$what", (kind) => {
  beforeAll(openDirectory);
  beforeEach(async () => {
    if (!node.isUp) node = await start();
  });
  afterAll(async () => {
    if (node.isUp) await node.stop();
    removeDirectory(directory);
  });

  test.each(kind.points)("when its node is killed at point %i", { timeout: 120_000 }, async (at) => {
    const isNamed = kind.meta !== unnamed;
    const own = new Case(kind, `${kind.isAsked ? "asked" : "free"}-${kinds.indexOf(kind)}-${at}`);
    await own.untilDeath(at);
    const sentBefore = own.received;
    expect(sentBefore).toBe(at >= 9 ? 1 : 0);
    node = await start();
    expect(own.received).toBe(sentBefore); // nothing is sent by itself

    const hasIntent = kind.isAsked || kind.tool !== "bank__look";
    const wasUnknown = hasIntent && at >= 8 && at <= 10;
    // Its verify tool says what happened; only what did not goes again.
    const isVerified = wasUnknown && kind.tool === "fund__pay";
    // What a repetition under its key, or of a read, can do no harm to goes again when its caller comes back.
    const isSentAgain = wasUnknown && !isVerified && kind.tool !== "bank__pay";
    const isUnknown = wasUnknown && !isVerified && !isSentAgain;
    const { answer, votes } = await own.toItsEnd();
    if (isUnknown) {
      expect(answer.code).toBe(isNamed ? "outcome-unknown" : "identical-call-open");
      expect(own.received).toBe(sentBefore);
      const unknown = await node.admin<{ items: { call: string }[] }>("GET", "/calls/unknown?limit=500");
      expect(unknown.body.items).toHaveLength(1);
      const [open] = unknown.body.items;
      const settled = await node.admin("POST", `/calls/${open?.call}/resolve`, {
        resolution: "done",
        reason: "looked at the books",
      });
      expect(settled.status).toBe(200);
      return;
    }
    expect(answer).toMatchObject({ code: null, isError: false });
    // Who has no name asks for another one once the first has ended; a read that has no record may be sent again.
    const isAnother = at >= 11 && !isNamed;
    const isRepeated = isSentAgain || (!hasIntent && at <= 10);
    expect(own.received).toBe(at < 9 || (sentBefore === 1 && !isAnother && !isRepeated) ? 1 : 2);
    // A yes that was durable is never asked for again, nor used for another: what did not happen is a new call under its step.
    const isAskedAgain = isVerified && sentBefore === 0;
    if (kind.isAsked) expect(votes).toBe(at <= 4 || isAnother || isAskedAgain ? 1 : 0);
    if (isNamed) expect((await own.call())?.receipt).toEqual(answer.receipt);
  });

  test("and in the end the ledger proves itself, with every receipt, and nothing is left open", async () => {
    const { body } = await node.admin<{ items: unknown[] }>("GET", "/calls/unknown?limit=500");
    expect(body.items).toEqual([]);
    await node.stop();
    const ledger = await provenLedger(directory, receipts);
    expect(ledger.dispatched).toEqual([]);
    expect(outcomesOf(ledger, "internal")).toEqual([]);
    // What is sent again under its key goes under the same yes, and follows what is not known; everything else follows its request.
    const used = ledger.entries.flatMap(({ kind, versions, after }) =>
      kind === "intent" && versions["approval"] !== undefined && /:a\d+$/.test(after ?? "")
        ? [versions["approval"]]
        : [],
    );
    expect(new Set(used).size).toBe(used.length);
  });
});
