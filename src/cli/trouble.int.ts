import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { chmodSync, rmSync } from "node:fs";
import BetterSqlite from "better-sqlite3";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Machine } from "./machine.fixture.ts";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.end());

const dev = ["dev", "--no-import", "--port", "0", "--json"];

describe("what is not understood", () => {
  test.each([
    [["servrs", "ls"], "Did you mean servers?"],
    [["servers", "lst"], "Did you mean ls?"],
    [["servers", "ls", "--limt", "3"], "Did you mean --limit?"],
    [["servers", "show"], "missing required argument"],
    [["agents", "token", "x", "--ttl", "ten"], "like 500ms"],
    [["agents", "token", "x", "--ttl", "100d"], "at most 24h"],
    [["agents", "keys", "create", "x", "--label", "y", "--ttl", "4000d"], "at most 3660d"],
    [["servers", "ls", "--limit", "0"], "from 1 to"],
    [["servers", "add", "x"], "--upstream"],
    [["tools", "set-class", "x", "idempotent"], "idempotent:<argument>"],
    [["status", "--url", "ftp://x", "--token", "x"], "not an http or https address"],
    [["vault", "put", "x", "--url", "http://127.0.0.1:1", "--token", "x"], "There is no value"],
  ])("%j is a question of usage, with what would do", async (args, words) => {
    const ran = await machine.run(args, {
      env: { SIGNALBOX_URL: "http://127.0.0.1:1", SIGNALBOX_TOKEN: "x" },
    });
    expect([ran.code, ran.stdout]).toEqual([2, ""]);
    expect(ran.stderr).toContain(words);
  });

  test.each([
    [["servrs", "--json"], "unknown command 'servrs'"],
    [["servers", "show", "--json"], "missing required argument 'server'"],
    [["calls", "--json"], "There is no command here."],
    [["--json", "runs", "cancel", "x"], "required option '--reason <text>' not specified"],
  ])("%j says so in one line of JSON", async (args, message) => {
    const ran = await machine.run(args);
    expect([ran.code, ran.stdout]).toEqual([2, ""]);
    expect(ran.stderr.trimEnd()).not.toContain("\n");
    expect(JSON.parse(ran.stderr)).toMatchObject({ error: { code: "usage", message } });
  });

  test("the words of a server's own program are not ours", async () => {
    const ran = await machine.run(["servers", "add", "x", "--limt", "3", "--", "program", "--json"]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringMatching(/^error: unknown option/)]);
  });

  test("without a node anywhere, it says how to start one", async () => {
    const ran = await machine.run(["status"]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("signalbox dev")]);
  });

  test("with an address and no token, it does not ask for another address", async () => {
    const ran = await machine.run(["status"], { env: { SIGNALBOX_URL: "http://127.0.0.1:1" } });
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("Give one with SIGNALBOX_TOKEN")]);
  });

  test("help is an answer, not an error", async () => {
    const ran = await machine.run(["tools", "approve", "--help"]);
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    expect(ran.stdout).toContain("$ signalbox tools approve");
  });
});

describe("a node that does not answer as it should", () => {
  test("nobody there", async () => {
    const ran = await machine.run(["status", "--json"], {
      env: { SIGNALBOX_URL: "http://127.0.0.1:1", SIGNALBOX_TOKEN: "x" },
    });
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stderr)).toMatchObject({ error: { code: "unreachable" } });
  });

  test.each([
    ["never", 4, "timed-out"],
    ["with something else", 1, "not-signalbox"],
    ["with a refusal that drives the terminal", 3, "forbidden"],
  ])("answers %s", async (how, code, words) => {
    const server = createServer((_request, response) => {
      if (how === "never") return;
      if (how === "with something else") response.end("<html>");
      else {
        const detail = "no\u001b[2J\u202eevil";
        response.writeHead(403).end(JSON.stringify({ error: { code: "forbidden", message: "m", detail } }));
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const ran = await machine.run(["status", "--timeout", "500ms"], {
      env: { SIGNALBOX_URL: url, SIGNALBOX_TOKEN: "canary" },
    });
    server.closeAllConnections();
    server.close();
    expect([ran.code, ran.stderr]).toEqual([code, expect.stringContaining(words)]);
    for (const never of ["\u001b", "\u202e", "canary"]) expect(ran.stderr).not.toContain(never);
  });

  test("a key that a node left for one address is not sent to another", async () => {
    await machine.node(dev);
    const ran = await machine.run(["status", "--url", "http://127.0.0.1:1"]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("no token for http://127.0.0.1:1")]);
  });

  test("a key that others may read is not used", async () => {
    await machine.node(dev);
    chmodSync(join(machine.work, ".signalbox/cli.json"), 0o644);
    const ran = await machine.run(["status"]);
    expect([ran.code, ran.stderr]).toEqual([3, expect.stringContaining("chmod 600")]);
  });
});

describe("a node that cannot start", () => {
  test("says all problems of its configuration at once, each with its place", async () => {
    machine.put("work/signalbox.yaml", "listen: { prt: 1 }\nservers:\n  Bad: { command: x }\n");
    const ran = await machine.run(["dev"]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(
      'signalbox.yaml:1:11 listen.prt: there is no setting "prt"; did you mean "port"?',
    );
    expect(ran.stderr).toContain("signalbox.yaml:3:3");
  });

  test("says that its data directory cannot be made, and where to look", async () => {
    machine.put("work/.signalbox", "a file");
    const ran = await machine.run(dev);
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stderr)).toMatchObject({
      error: {
        code: "store-unavailable",
        message: expect.stringContaining(".signalbox cannot be used"),
        hint: expect.stringContaining("signalbox doctor"),
      },
    });
  });

  test("says which process has the data directory", async () => {
    const { node } = await machine.node(dev);
    const ran = await machine.run(dev);
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining(`pid ${node.child.pid}`)]);
  });

  test("says that the port is taken, and leaves the data directory free", async () => {
    const { said } = await machine.node(dev);
    const { port } = new URL(said.url);
    const ran = await machine.run(["dev", "--no-import", "--data", "other", "--port", port]);
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("choose another port")]);
    expect((await machine.run(["audit", "verify", "--data", "other"])).code).toBe(0);
  });

  test("does not start the demo outside of a checkout without saying why", async () => {
    const ran = await machine.run(["dev", "--demo", "--config", "nowhere.yaml"]);
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("there is no such file")]);
  });
});

describe("audit verify", () => {
  test("proves a data directory, names the first entry that was changed, and sees a log that was rolled back", async () => {
    const { node } = await machine.node(dev);
    await machine.json(["agents", "create", "one"]);
    const { receipt } = await machine.json<{ receipt: { entry: string } }>(["agents", "create", "two"]);
    await expect.poll(async () => (await machine.run(["audit", "prove", receipt.entry])).code).toBe(0);
    machine.put("work/checkpoint.txt", (await machine.run(["audit", "checkpoint"])).stdout);
    machine.put("work/log.vkey", (await machine.run(["audit", "key"])).stdout);
    await node.stop();
    const given = ["audit", "verify", "--key", "log.vkey", "--checkpoint", "checkpoint.txt", "--json"];
    const whole = await machine.run(given);
    expect([whole.code, JSON.parse(whole.stdout)]).toMatchObject([0, { isIntact: true, trust: "given" }]);

    const database = new BetterSqlite(join(machine.work, ".signalbox/signalbox.db"));
    const changed = database
      .prepare("UPDATE entry SET leaf = replace(leaf, 'create', 'delete') WHERE id = ?")
      .run(receipt.entry);
    database.close();
    expect(changed.changes).toBe(1);
    const broken = await machine.run(given);
    expect(broken.code).toBe(1);
    expect(JSON.parse(broken.stdout)).toMatchObject({
      isIntact: false,
      tenants: expect.arrayContaining([
        expect.objectContaining({
          broken: expect.objectContaining({ kind: "edited", entry: receipt.entry }),
        }),
      ]),
    });
    const human = await machine.run(["audit", "verify", "--tenant", "default", "--no-json"]);
    expect(human.stdout).toContain(receipt.entry);
  });

  test("with the key file holds payloads against what was committed to, and without says that it did not", async () => {
    const { node } = await machine.node(dev);
    await machine.json(["agents", "create", "one"]);
    const { receipt } = await machine.json<{ receipt: { entry: string } }>(["agents", "create", "two"]);
    await node.stop();
    const whole = await machine.run(["audit", "verify", "--no-json"]);
    expect([whole.code, whole.stdout]).toEqual([
      0,
      expect.stringMatching(/payloads +\d+ as committed, 0 erased/),
    ]);

    const database = new BetterSqlite(join(machine.work, ".signalbox/signalbox.db"));
    const { payload } = database.prepare("SELECT payload FROM entry WHERE id = ?").get(receipt.entry) as {
      payload: Buffer;
    };
    payload[payload.length - 1] = (payload.at(-1) ?? 0) ^ 1;
    database.prepare("UPDATE entry SET payload = ? WHERE id = ?").run(payload, receipt.entry);
    database.close();
    const broken = await machine.run(["audit", "verify", "--json"]);
    expect(broken.code).toBe(1);
    expect(JSON.parse(broken.stdout)).toMatchObject({
      tenants: expect.arrayContaining([
        expect.objectContaining({
          broken: expect.objectContaining({ kind: "payload", entry: receipt.entry }),
        }),
      ]),
    });

    rmSync(join(machine.work, ".signalbox/node.key"));
    const keyless = await machine.run(["audit", "verify", "--no-json"]);
    expect([keyless.code, keyless.stdout]).toEqual([
      0,
      expect.stringMatching(/payloads +\d+ not looked into: there is no key file/),
    ]);
  });

  test("says when there is nothing to verify", async () => {
    const ran = await machine.run(["audit", "verify", "--data", "nowhere"]);
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("--data")]);
  });
});
