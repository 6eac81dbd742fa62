import { createHmac } from "node:crypto";
import type { IncomingHttpHeaders, Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isGenuine } from "../../examples/webhook-receiver.ts";
import { makePerson, paymentsAreApproved, pendingOf, setPolicies } from "../fixtures/approvals.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** What a node tells a webhook about approvals: signed, again where it failed, and again after it was killed. */
const secret = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;
const bank = new CountingServer();

interface Message {
  readonly id: string;
  readonly isSigned: boolean;
  readonly body: { readonly type: string; readonly data: Readonly<Record<string, unknown>> };
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
}

const messages: Message[] = [];
let status = 500;
let chat: Server;
let directory: string;
let node: NodeProcess;

/** As a receiver does it, by the specification. */
function isSigned(headers: IncomingHttpHeaders, text: string): boolean {
  const [id, at, given] = ["id", "timestamp", "signature"].map((name) => String(headers[`webhook-${name}`]));
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const wanted = `v1,${createHmac("sha256", key).update(`${id}.${at}.${text}`).digest("base64")}`;
  return given === wanted && Math.abs(Date.now() / 1000 - Number(at)) < 300;
}

const order = () => ({
  directory,
  yaml: `
servers: { bank: { url: "${bank.url}" } }
approvals: { webhooks: { chat: { url: "http://127.0.0.1:${(chat.address() as AddressInfo).port}/hook", secret: "\${vault:chat}" } } }
`,
});

beforeAll(async () => {
  await bank.start();
  chat = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      messages.push({
        id: String(request.headers["webhook-id"]),
        isSigned: isSigned(request.headers, text),
        body: JSON.parse(text) as Message["body"],
        text,
        headers: request.headers,
      });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => chat.listen(0, "127.0.0.1", resolve));
  directory = newDirectory();
  node = await NodeProcess.start(order());
  await node.toolsAre(["bank__pay"]);
  await setPolicies(node, paymentsAreApproved);
  expect((await node.admin("PUT", "/vault/chat", { value: secret })).status).toBe(200);
});
afterAll(async () => {
  await node.stop();
  chat.closeAllConnections();
  chat.close();
  await bank.stop();
  await provenLedger(directory);
  removeDirectory(directory);
});

// What a node was telling when it died is told again half a minute later.
test("a webhook hears who is asked, also when it failed first and the node was killed, and how it ended", async () => {
  const pending = pendingOf(await node.call("bank__pay", { to: "Mr Secret", amount: 77_123 }));
  await until(() => messages.length === 1);
  await node.kill9();
  status = 204;
  node = await NodeProcess.start(order());
  await node.toolsAre(["bank__pay"]);
  await until(() => messages.length === 2);
  expect(messages[1]).toMatchObject({
    id: messages[0]?.id,
    isSigned: true,
    body: {
      type: "approval.requested",
      data: {
        approval: pending.approval,
        call: pending.call,
        tool: "bank__pay",
        requester: { name: "tester" },
        groups: ["finance"],
        url: `${node.url}/approvals/${pending.approval}`,
      },
    },
  });

  const vera = await makePerson(node, "vera", ["finance"]);
  await vera.decide(pending.approval, "deny");
  await until(() => messages.length === 3);
  expect(messages[2]).toMatchObject({
    isSigned: true,
    body: { type: "approval.decided", data: { outcome: "denied", approval: pending.approval } },
  });
  for (const { text } of messages) expect(text).not.toMatch(/Secret|77123/);
  // What we tell people to write finds the same as this test.
  const { headers, text } = messages[2]!;
  expect(isGenuine(headers, text, secret)).toBe(true);
  expect(isGenuine(headers, `${text} `, secret)).toBe(false);
  expect(isGenuine(headers, text, `whsec_${Buffer.alloc(32, 6).toString("base64")}`)).toBe(false);
  expect(isGenuine({ ...headers, "webhook-timestamp": "1" }, text, secret)).toBe(false);
  expect(isGenuine({}, text, secret)).toBe(false);
  expect(node.log).not.toContain(secret);
}, 120_000);
