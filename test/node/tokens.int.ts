import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { outcomesOf, provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** Who gets in, and who does not any more. */
const bank = new CountingServer();
let directory: string;
let elsewhere: string;
let node: NodeProcess;
let foreign: NodeProcess;
let shortLived: string;

beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  elsewhere = newDirectory();
  const yaml = `
servers: { bank: { url: "${bank.url}", tools: { look: { class: read } } } }
identity: { tokenTtl: 5m }`;
  [node, foreign] = await Promise.all([
    NodeProcess.start({ directory, yaml }),
    NodeProcess.start({ directory: elsewhere, yaml }),
  ]);
  await node.toolsAre(["bank__look"]);
  shortLived = await tokenOf("tester", 1_000);
});
afterAll(async () => {
  await Promise.all([node.stop(), foreign.stop()]);
  await bank.stop();
  removeDirectory(directory);
  removeDirectory(elsewhere);
});

async function tokenOf(agent: string, ttlMs: number): Promise<string> {
  const { status, body } = await node.admin<{ token: string }>("POST", `/agents/${agent}/tokens`, { ttlMs });
  expect(status).toBe(201);
  return body.token;
}

const look = (token: string) => node.call("bank__look", { what: "x" }, { token });

interface Claims {
  readonly [name: string]: unknown;
}
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const partsOf = (token: string): { head: Claims; claims: Claims; signature: string } => {
  const [head = "", claims = "", signature = ""] = token.split(".");
  const read = (text: string) => JSON.parse(Buffer.from(text, "base64url").toString()) as Claims;
  return { head: read(head), claims: read(claims), signature };
};

test("a token for which nobody says how long it is good is good as long as the configuration says", async () => {
  const { body } = await node.admin<{ token: string }>("POST", "/agents/tester/tokens", {});
  const { iat, exp } = JSON.parse(
    Buffer.from(body.token.split(".")[1] ?? "", "base64url").toString(),
  ) as Record<"iat" | "exp", number>;
  expect(exp - iat).toBe(300);
});

describe("a token that", () => {
  const forgeries: [string, () => Promise<string> | string][] = [
    ["is another installation's", () => foreign.agentToken],
    [
      "says it needs no signature",
      () => {
        const { head, claims } = partsOf(node.agentToken);
        return `${part({ ...head, alg: "none" })}.${part(claims)}.`;
      },
    ],
    [
      "was edited",
      () => {
        const { head, claims, signature } = partsOf(node.agentToken);
        return `${part(head)}.${part({ ...claims, exp: Number(claims["exp"]) + 1 })}.${signature}`;
      },
    ],
    [
      "is signed by a key of one's own under our key's name",
      () => {
        const { head, claims } = partsOf(node.agentToken);
        const { privateKey } = generateKeyPairSync("ed25519");
        const signed = `${part(head)}.${part(claims)}`;
        return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
      },
    ],
    [
      "is signed with our public key as a password",
      async () => {
        const { head, claims } = partsOf(node.agentToken);
        const jwks = JSON.parse((await node.page("/.well-known/jwks.json")).text) as {
          keys: { x: string }[];
        };
        const signed = `${part({ ...head, alg: "HS256" })}.${part(claims)}`;
        const password = Buffer.from(jwks.keys[0]?.x ?? "", "base64url");
        return `${signed}.${createHmac("sha256", password).update(signed).digest("base64url")}`;
      },
    ],
    [
      "brings its own key",
      () => {
        const { head, claims } = partsOf(node.agentToken);
        const { privateKey, publicKey } = generateKeyPairSync("ed25519");
        const signed = `${part({ ...head, jwk: publicKey.export({ format: "jwk" }) })}.${part(claims)}`;
        return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
      },
    ],
    ["looks like a key and is none", () => `sbk_${"A".repeat(43)}`],
    ["is nonsense", () => "nonsense"],
  ];
  test.each(forgeries)("%s is refused, and does not hear why", async (_, forge) => {
    const answer = await look(await forge());
    expect(answer).toMatchObject({ status: 401, rpcCode: -31401, code: "unauthenticated", receipt: null });
    expect(answer.text).toContain("Authorization: Bearer");
    // Administration is behind the same door.
    const response = await fetch(`${node.url}/api/v1/agents`, {
      headers: { Authorization: `Bearer ${await forge()}` },
    });
    expect(response.status).toBe(401);
  });

  test("was revoked is refused with the next request, and its agent gets a new one", async () => {
    await node.admin("POST", "/agents", { name: "leaver", roles: [] });
    const token = await tokenOf("leaver", 600_000);
    expect((await look(token)).isError).toBe(false);
    expect((await node.admin("DELETE", "/agents/leaver/tokens")).status).toBe(200);
    expect(await look(token)).toMatchObject({ status: 401, code: "principal-disabled" });
    expect((await look(await tokenOf("leaver", 600_000))).isError).toBe(false);
  });

  test("belongs to a disabled agent is refused, and works again when the agent does", async () => {
    await node.admin("POST", "/agents", { name: "sleeper", roles: [] });
    const token = await tokenOf("sleeper", 600_000);
    expect((await look(token)).isError).toBe(false);
    await node.admin("POST", "/agents/sleeper/disable");
    expect(await look(token)).toMatchObject({ status: 401, code: "principal-disabled" });
    await node.admin("POST", "/agents/sleeper/enable");
    expect((await look(token)).isError).toBe(false);
  });

  test("is revoked while its call is under way changes nothing about that call", async () => {
    await node.admin("POST", "/agents", { name: "payer", roles: [] });
    const token = await tokenOf("payer", 600_000);
    bank.hold();
    const pending = node.call("bank__pay", { to: "a", amount: 1 }, { token });
    await until(() => bank.count("pay") === 1);
    await node.admin("DELETE", "/agents/payer/tokens");
    expect((await node.call("bank__pay", { to: "b", amount: 1 }, { token })).status).toBe(401);
    bank.release();
    expect(await pending).toMatchObject({ status: 200, isError: false });
    expect(bank.count("pay")).toBe(1);
  });

  test("is an agent's opens no administration, and that is on record", async () => {
    const response = await fetch(`${node.url}/api/v1/agents`, {
      headers: { Authorization: `Bearer ${node.agentToken}` },
    });
    expect(response.status).toBe(403);
  });

  test("has expired is refused, and told so", async () => {
    // Clocks may differ by five seconds, so it lives that much longer than it says.
    await until(async () => (await look(shortLived)).status === 401);
    const answer = await look(shortLived);
    expect(answer).toMatchObject({ status: 401, code: "token-expired", rpcCode: -31401 });
    expect(answer.text).toContain("Get a new one");
  });
});

test("nothing of all that reached a server or became an entry of a call", async () => {
  await node.stop();
  const ledger = await provenLedger(directory);
  expect(outcomesOf(ledger, "succeeded").length).toBe(bank.received.length);
  expect(outcomesOf(ledger, "refused").map(({ method }) => method)).not.toContain("tools/call");
  for (const { headers, body } of bank.received) {
    expect(headers.authorization).toBeUndefined();
    expect(body).not.toContain("eyJ");
  }
});
