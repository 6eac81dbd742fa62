import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { outcomesOf, provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";
import { HttpFixture } from "../fixtures/servers/http.ts";

/** Every way a server can fail, against one node with a good server beside, which must never notice. */
const stdio = fileURLToPath(new URL("../fixtures/servers/stdio.ts", import.meta.url));
const seenDirectory = mkdtempSync(join(tmpdir(), "signalbox-seen-"));
const seenFile = join(seenDirectory, "requests.jsonl");

/** The fixture over stdio. `tee` keeps what really arrived, whatever becomes of server and node. */
const server = (name: string, options: object, more = "", callTimeout = "3s") => `
  ${name}:
    command: sh
    args: ["-c", 'tee -a "$1" | exec "$2" "$3" "$4"', sh, ${JSON.stringify(seenFile)}, ${JSON.stringify(process.execPath)}, ${JSON.stringify(stdio)}, ${JSON.stringify(JSON.stringify(options))}]
    callTimeout: ${callTimeout}
    ${more}`;

const bank = new CountingServer();
const web = new HttpFixture({ era: "modern" });
const mire = new HttpFixture({ era: "modern" });
let directory: string;
let node: NodeProcess;
const answers: Answer[] = [];

beforeAll(async () => {
  await bank.start();
  await web.start();
  await mire.start();
  directory = newDirectory();
  const dead = new HttpFixture({ era: "modern" });
  await dead.start();
  const gone = dead.url;
  await dead.stop();
  node = await NodeProcess.start({
    directory,
    yaml: `
servers:
  bank: { url: "${bank.url}", callTimeout: 60s, tools: { look: { class: read } } }
  web: { url: "${web.url}", callTimeout: 3s, resultBytesMax: 64KiB, tools: { die: { class: read } } }
  mire: { url: "${mire.url}", callTimeout: 10m }
  gone: { url: "${gone}" }
  quitter: { command: sh, args: ["-c", "echo I have no licence >&2; exit 7"] }
  nowhere: { command: /no/such/program }
${server("bad", {}, "tools: { hang: { class: read } }\n    resultBytesMax: 64KiB")}
${server("stuck", {}, "", "10m")}
${server("mute", { neverAnswers: true })}
${server("late", { startDelayMs: 600_000 })}
`,
    limits: { discoverTimeoutMs: 300, connectTimeoutMs: 6_000 },
  });
  await node.toolsAre(["bank__pay", "bad__echo", "mire__echo", "stuck__echo", "web__echo"]);
});

afterAll(async () => {
  await node.stop();
  await bank.stop();
  await web.stop();
  const ledger = await provenLedger(
    directory,
    answers.map(({ receipt }) => receipt),
  );
  expect(ledger.dispatched).toEqual([]);
  for (const answer of answers) {
    const entry = ledger.entries.find(({ id }) => id === answer.receipt?.entry);
    expect(entry?.kind).toBe("outcome");
    // What the caller was told is what stands in the record.
    const { outcome } = entry ?? {};
    if (answer.code === null || answer.effect === "done")
      expect(outcome).toMatchObject({ kind: "succeeded" });
    else expect(outcome).toMatchObject({ code: answer.code });
  }
  expect(outcomesOf(ledger, "unknown").length).toBe(ledger.unknown.length + readsUnknown);
  removeDirectory(directory);
  removeDirectory(seenDirectory);
});

let readsUnknown = 0;

afterEach(async () => {
  expect(node.isUp).toBe(true);
  await good();
});

/** One call to the good server. */
async function good(): Promise<void> {
  const answer = await node.call("bank__look", { what: "still there?" });
  expect(answer).toMatchObject({ status: 200, isError: false, code: null });
  answers.push(answer);
}

async function call(tool: string, args: unknown = {}): Promise<Answer> {
  const answer = await node.call(tool, args);
  answers.push(answer);
  return answer;
}

/** How many requests with this in them have really arrived at a server over stdio. */
const arrived = (text: string): number =>
  existsSync(seenFile)
    ? readFileSync(seenFile, "utf8")
        .split("\n")
        .filter((line) => line.includes(text)).length
    : 0;
const seen = (tool: string): number => arrived(`"name":"${tool}"`);

const backAgain = (name: string) => until(async () => (await node.tools()).includes(name));

describe("a server over stdio that", () => {
  test("hangs: the call ends at its deadline as unknown, and is not sent again", async () => {
    const answer = await call("bad__slow", { ms: 60_000 });
    expect(answer).toMatchObject({
      status: 200,
      isError: true,
      code: "deadline-exceeded",
      effect: "unknown",
    });
    expect(answer.text).toContain("The call may have happened");
    expect(seen("slow")).toBe(1);
  });

  test("hangs on a read: the same, and it leaves no open call", async () => {
    const answer = await call("bad__hang");
    readsUnknown++;
    expect(answer).toMatchObject({ isError: true, code: "deadline-exceeded", effect: "unknown" });
  });

  test("dies in the middle: lost, unknown, sent once; it comes back by itself", async () => {
    const answer = await call("bad__die");
    expect(answer).toMatchObject({ isError: true, code: "upstream-lost", effect: "unknown" });
    expect(answer.text).toMatch(/bad/);
    expect(seen("die")).toBe(1);
    await backAgain("bad__echo");
    expect(await call("bad__echo", { a: 1 })).toMatchObject({ code: null, text: '{"a":1}' });
  });

  test("floods stderr: the call is answered and the log stays small", async () => {
    const before = node.log.length;
    const answer = await call("bad__flood_stderr", { megabytes: 30 });
    // Slow machines need longer than its deadline to swallow 30 MB; either way it is an honest answer.
    if (answer.code === null) expect(answer.text).toBe("flooded");
    else expect(answer.code).toBe("deadline-exceeded");
    expect(node.log.length - before).toBeLessThan(1_000_000);
  });

  test("answers twice: the first answer counts, and the next call gets its own", async () => {
    await backAgain("bad__echo");
    expect(await call("bad__twice")).toMatchObject({ code: null, text: "once" });
    expect(await call("bad__echo", { b: 2 })).toMatchObject({ code: null, text: '{"b":2}' });
  });

  test("answers with another id first: only the right one is taken", async () => {
    expect(await call("bad__wrong_id")).toMatchObject({ code: null, text: "right" });
  });

  test("writes lines that are no messages: they are passed over", async () => {
    expect(await call("bad__garbage_line", { lines: 5 })).toMatchObject({
      code: null,
      text: "after garbage",
    });
  });

  test.each(["garbage_answer", "duplicate_keys"])("answers with %s: garbage, unknown", async (tool) => {
    const answer = await call(`bad__${tool}`);
    expect(answer).toMatchObject({ isError: true, code: "upstream-garbage", effect: "unknown" });
    expect(answer.text).toContain("makes no sense");
    expect(seen(tool)).toBe(1);
  });

  test("answers 100,000 deep: garbage, unknown", async () => {
    await backAgain("bad__echo");
    const answer = await call("bad__deep", { depth: 20_000 });
    expect(["upstream-garbage", "result-too-large"]).toContain(answer.code);
    expect(answer.isError).toBe(true);
  });

  test("floods its answer: withheld with the bound, and known to have happened", async () => {
    await backAgain("bad__echo");
    const answer = await call("bad__huge", { bytes: 5_000_000 });
    expect(answer).toMatchObject({ isError: true, code: "result-too-large", effect: "done" });
    expect(answer.text).toMatch(/65[ ,]?536/);
    expect(answer.body.length).toBeLessThan(2_000);
  });

  test("floods lines without end: given up, and it comes back", async () => {
    await backAgain("bad__echo");
    const answer = await call("bad__garbage_line", { lines: 5_000 });
    expect(answer.isError).toBe(true);
    expect(["upstream-lost", "upstream-garbage"]).toContain(answer.code);
    expect(answer.effect).toBe("unknown");
    await backAgain("bad__echo");
  });

  test("says no in the protocol's words: failed when it proves that nothing ran, an error answer otherwise", async () => {
    await backAgain("bad__echo");
    expect(await call("bad__error", { code: -32602 })).toMatchObject({
      isError: true,
      code: "upstream-rejected",
      effect: "none",
    });
    const other = await call("bad__error", { code: -32000 });
    expect(other).toMatchObject({ isError: true, code: null });
    expect(other.text).toContain("as you wish");
  });
});

describe("a server over HTTP that", () => {
  test("hangs: unknown at the deadline", async () => {
    expect(await call("web__hang")).toMatchObject({ code: "deadline-exceeded", effect: "unknown" });
    expect(web.mcp.executed.get("hang")).toBe(1);
  });

  test("cuts the connection under a read: tried once more, then lost", async () => {
    const answer = await call("web__die");
    readsUnknown++;
    expect(answer).toMatchObject({ isError: true, code: "upstream-lost", effect: "unknown" });
    expect(web.mcp.executed.get("die")).toBe(2);
  });

  test.each(["garbage_answer", "duplicate_keys"])("answers with %s: garbage, once", async (tool) => {
    const answer = await call(`web__${tool}`);
    expect(answer).toMatchObject({ isError: true, code: "upstream-garbage", effect: "unknown" });
    expect(web.mcp.executed.get(tool)).toBe(1);
  });

  test("floods its answer: withheld", async () => {
    expect(await call("web__huge", { bytes: 5_000_000 })).toMatchObject({
      code: "result-too-large",
      effect: "done",
    });
  });

  test.each([
    ["a page that is not JSON", { body: "<html>sign in</html>" }, "upstream-garbage"],
    ["an empty page", { body: "" }, "upstream-garbage"],
    ["status 500", { status: 500 }, "upstream-lost"],
    ["status 401", { status: 401 }, "upstream-rejected"],
    ["a redirect to elsewhere", { status: 302, headers: { location: "http://127.0.0.1:1/" } }, null],
  ])("answers with %s: said as what it is", async (what, over, code) => {
    await backAgain("web__echo");
    const kept = web.options;
    // Calls alone: a probe that met the same answer would have taken the server down before the call.
    web.options = { ...kept, ...over, insteadOf: "tools/call" };
    const answer = await call("web__echo", { answered: what });
    web.options = kept;
    expect(answer.isError).toBe(true);
    expect(answer.code).not.toBeNull();
    expect(answer.code).not.toBe("internal");
    if (code !== null) expect(answer.code).toBe(code);
    expect(answer.text).not.toContain("<html>");
    await backAgain("web__echo");
  });
});

describe("a server that never starts", () => {
  test.each(["nowhere", "quitter", "mute", "late", "gone"])(
    "%s: is down with its reason, and offers nothing",
    async (name) => {
      let health = { state: "", cause: "", reason: "" };
      await until(async () => {
        const { body } = await node.admin<{ server: { health: typeof health } }>("GET", `/servers/${name}`);
        ({ health } = body.server);
        return health.state === "down" && (name !== "quitter" || /7|licence/.test(health.reason));
      });
      expect(health.cause).toMatch(/dependency|correctness|overload/);
      expect(health.reason.length).toBeGreaterThan(10);
      const tools = await node.tools();
      expect(tools.filter((tool) => tool.startsWith(`${name}__`))).toEqual([]);
      const answer = await node.call(`${name}__echo`);
      answers.push(answer);
      expect(answer).toMatchObject({ status: 400, rpcCode: -32602, code: "unknown-tool" });
    },
  );

  test("or went away for good: its tools vanish, and a call says why", async () => {
    await backAgain("web__echo");
    const { port } = web;
    await web.stop();
    await until(async () => !(await node.tools()).some((tool) => tool.startsWith("web__")));
    const answer = await call("web__echo");
    expect(answer).toMatchObject({ isError: true, code: "tool-unavailable", effect: "none" });
    expect(answer.text).toMatch(/web.*down.*dependency/s);
    await web.start(port);
    await backAgain("web__echo");
    expect(await call("web__echo", { c: 3 })).toMatchObject({ code: null, text: '{"c":3}' });
  });
});

test("all bad servers at once delay nobody else", async () => {
  await backAgain("bad__echo");
  let stuck = 0;
  const hangs = async (tool: string, args: object): Promise<Answer> => {
    stuck++;
    return call(tool, args).finally(() => stuck--);
  };
  const pending = Array.from({ length: 10 }, (_, i) => [
    hangs("stuck__slow", { ms: 600_000, i }),
    hangs("mire__hang", { i }),
    call("bad__slow", { ms: 60_000, i }),
    call("web__hang", { i }),
  ]).flat();
  await until(() => arrived('"ms":600000') === 10 && mire.mcp.executed.get("hang") === 10);
  await Promise.all(Array.from({ length: 20 }, () => good()));
  for (let i = 0; i < 50; i++) await good();
  expect(stuck).toBe(20);
  await call("stuck__die");
  await mire.stop();
  for (const answer of await Promise.all(pending))
    expect(["deadline-exceeded", "upstream-lost"]).toContain(answer.code);
});
