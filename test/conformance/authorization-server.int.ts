import { spawn } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { SigningPerson } from "../fixtures/signing-person.ts";

/** The suite's scenarios for authorization servers, against a whole node; it asks for a browser, which a person here has. */
const suite = join(import.meta.dirname, "../../node_modules/conformance-preview/dist/index.js");
const address = /^http\S+\/oauth\/authorize\?\S+$/m;

test("a node is an authorization server as the suite wants it", { timeout: 120_000 }, async () => {
  const directory = newDirectory();
  const node = await NodeProcess.start({ directory });
  try {
    const made = await node.admin<{ secret: string }>("POST", "/agents/tester/keys", {
      label: "x",
      ttlMs: null,
    });
    const port = await freePort();
    const registered = await fetch(`${node.url}/oauth/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ client_name: "suite", redirect_uris: [`http://127.0.0.1:${port}/callback`] }),
    });
    const { client_id: clientId } = (await registered.json()) as { client_id: string };
    const ran = await run(
      ["--url", node.url, "--client-id", clientId, "--resource", `${node.url}/mcp`, "--port", String(port)],
      async (opened) => {
        const back = await new SigningPerson().allow(opened, made.body.secret);
        await fetch(back);
      },
    );
    expect(ran.said).toContain("Total: 3 passed, 0 failed");
    expect(ran.code, ran.said).toBe(0);
  } finally {
    await node.stop();
    removeDirectory(directory);
  }
});

function run(
  options: readonly string[],
  visit: (opened: string) => Promise<void>,
): Promise<{ readonly code: number | null; readonly said: string }> {
  return new Promise((resolve, reject) => {
    const args = [suite, "authorization", ...options];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    let isVisited = false;
    const hear = (text: string): void => {
      said += text;
      const opened = address.exec(said)?.[0];
      // It listens once it has said so.
      if (isVisited || opened === undefined || !said.includes("Callback server started")) return;
      isVisited = true;
      visit(opened).catch(reject);
    };
    child.stdout.setEncoding("utf8").on("data", hear);
    child.stderr.setEncoding("utf8").on("data", hear);
    child.once("close", (code) => resolve({ code, said }));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
