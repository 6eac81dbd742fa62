import { existsSync, readFileSync } from "node:fs";
import type { RunningNode } from "./tour-node.ts";
import { connect, signalbox } from "./tour-node.ts";
import { Surprise, chapter, expectThat, receiptOf, show, textOf } from "./tour-words.ts";

interface Place {
  readonly work: string;
  /** Where the bank writes what it paid. */
  readonly books: string;
  readonly startAgain: () => Promise<RunningNode>;
}

const transfer = { name: "bank__transfer", arguments: { to: "ACME GmbH", amount: 4_200 } };

/** A payment that somebody has to approve, a process that dies meanwhile, and one payment. */
export async function approvalChapters(node: RunningNode, { work, books, startAgain }: Place): Promise<void> {
  const paid = () => (existsSync(books) ? readFileSync(books, "utf8").trimEnd().split("\n") : []);

  chapter("A payment that a person has to approve");
  signalbox(work, {}, "people", "create", "vera", "--role", "finance");
  const { secret } = signalbox(work, {}, "people", "keys", "create", "vera", "--label", "tour") as {
    secret: string;
  };
  show("Vera works in finance. An agent wants to pay somebody:");
  const agent = await connect(node, ["bank"]);
  const asked = await agent.callTool(transfer);
  expectThat(asked.isError === true && paid().length === 0, "nothing is paid before somebody says yes");
  show(textOf(asked));
  const pending = asked._meta?.["dev.signalbox/pending"] as { approval: string; call: string } | undefined;
  if (pending === undefined) throw new Surprise("the tour expected that the agent is told what it waits for");
  const { approval, call } = pending;
  await agent.close().catch(() => undefined);

  chapter("Before she gets to it, the power goes");
  await node.end("SIGKILL");
  show(`$ kill -9 ${node.pid}`);
  const next = await startAgain();
  show(`Another process, the same data. The bank's books are empty: ${paid().length} transfers.`);

  chapter("She looks at it, and says yes");
  const vera = { SIGNALBOX_URL: next.url, SIGNALBOX_TOKEN: secret };
  const shown = signalbox(work, vera, "approvals", "show", approval) as Shown;
  const intent = shown.approval.intent.slice(0, 16);
  show(
    [
      `$ signalbox approvals show ${approval}`,
      `call       ${shown.approval.name}`,
      `by         ${shown.approval.names.join(" for ")}`,
      `arguments  ${shown.shown.replaceAll("\n", "\n           ")}`,
      `intent     ${intent}…`,
      `because    ${shown.approval.rules.map(({ reason }) => reason).join()}`,
      `$ signalbox approvals approve ${approval} ${intent}`,
    ].join("\n"),
  );
  signalbox(work, vera, "approvals", "approve", approval, intent);
  show(
    `Approved: exactly this, once. In a browser: ${next.url}/approvals/${approval}\nStill nothing is paid (${paid().length} transfers): a yes runs nothing by itself.`,
  );
  expectThat(paid().length === 0, "a yes runs nothing by itself");

  chapter("The agent comes back, three times");
  const back = await connect(next, ["bank"]);
  const wait = { name: "signalbox__wait", arguments: { call } };
  const answers = await Promise.all([back.callTool(wait), back.callTool(wait), back.callTool(wait)]);
  const receipts = new Set(answers.map(receiptOf));
  expectThat(receipts.size === 1, "all three are answered by one execution");
  expectThat(paid().length === 1, "it was paid once");
  show(`${textOf(answers[0])}\nThree answers, one receipt: ${[...receipts].join()}`);
  show(`The bank's books:\n${paid().join("\n")}`);
  await back.close();
}

interface Shown {
  readonly approval: {
    readonly intent: string;
    readonly name: string;
    readonly names: readonly string[];
    readonly rules: readonly { readonly reason: string | null }[];
  };
  readonly shown: string;
}
