import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { PendingApproval } from "../../contract/index.ts";
import { metaKeys } from "../../contract/index.ts";
import { Browser } from "../fixtures/browser.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { makePerson, pendingOf, setPolicies } from "../fixtures/approvals.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** The page behind the link of an approval, in a real browser, against a whole node. */
const bank = new CountingServer();
let directory: string;
let node: NodeProcess;
let browser: Browser;
let page: Page;
let complaints: string[];
let vera: string;

beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  node = await NodeProcess.start({ directory, yaml: `servers: { bank: { url: "${bank.url}" } }` });
  await node.toolsAre(["bank__pay"]);
  await setPolicies(node, policies);
  vera = (await makePerson(node, "vera", ["finance"])).key;
  browser = await Browser.open({ viewport: { width: 390, height: 844 } }); // a phone's
});
afterAll(async () => {
  await browser.close();
  await node.stop();
  await bank.stop();
  removeDirectory(directory);
});
beforeEach(async () => {
  complaints = [];
  page = await browser.context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // A refused request is said there too; what the page makes of it is looked at.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
});
afterEach(async () => {
  await page.close();
  expect(complaints).toEqual([]);
});

const policies = `
permit (principal, action in [Action::"call", Action::"read"], resource);
permit (principal is Person in Role::"admin", action in Action::"admin", resource);
@id("finance-decides") permit (principal is Person in Role::"finance", action in Action::"admin.approval", resource);
@id("payments") @description("Each payment is \u202eseen\u200b <b>before</b> it is made")
@approve("group=finance expiry=1h") forbid (principal, action == Action::"call", resource == Tool::"bank/pay")
when { context.args.amount < 90 };
@id("known-payees") @approve("group=finance endorse=/to") forbid (principal, action == Action::"call", resource == Tool::"bank/pay")
when { context.args.amount >= 90 && context.args.amount < 100 };
@id("large-payments") @approve("group=finance quorum=2") forbid (principal, action == Action::"call", resource == Tool::"bank/pay")
when { context.args.amount >= 100 };
`;

let payments = 0;
async function asked(
  to = `payee ${payments++}`,
  meta: Record<string, unknown> = {},
  amount = 1,
): Promise<PendingApproval & { url: string }> {
  const pending = pendingOf(await node.call("bank__pay", { to, amount }, { meta }));
  if (pending.url === null) throw new Error("it has no address");
  return { ...pending, url: pending.url };
}

async function signIn(key: string): Promise<void> {
  await page.getByLabel("Your API key or token").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
}

const text = (name: string) => page.locator(`#${name}`);
const approve = () => page.getByRole("button", { name: "Approve" });
const deny = () => page.getByRole("button", { name: "Deny" });
const waitFor = async (name: string, words: string | RegExp) => {
  await text(name).filter({ hasText: words }).waitFor();
};

describe("before somebody has signed in", () => {
  test("the page says nothing of what it is about", async () => {
    const { url, approval } = await asked("Mr Secret");
    const response = await fetch(url);
    expect(response.status).toBe(200);
    const html = await response.text();
    for (const word of ["bank", "Secret", "finance", approval]) expect(html).not.toContain(word);
    await page.goto(url);
    await text("sign-in").waitFor();
    expect(await page.locator("main").innerText()).not.toMatch(/bank|Secret|finance/);
    expect(await text("request").isVisible()).toBe(false);
  });

  test("it is not framed, runs nothing of anybody's, tells nobody its address and is not kept", async () => {
    const { url } = await asked();
    for (const path of [url, `${node.url}/approvals/approval.js`, `${node.url}/approvals/approval.css`]) {
      const { headers } = await fetch(path);
      const csp = headers.get("content-security-policy") ?? "";
      expect(csp).toContain("default-src 'none'");
      expect(csp).toContain("frame-ancestors 'none'");
      expect(csp).toContain("require-trusted-types-for 'script'");
      expect(csp).not.toMatch(/unsafe|\*|data:/);
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("cache-control")).toBe("no-store");
    }
    const html = await (await fetch(url)).text();
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=/);
  });

  test("no other path of its folder is a page", async () => {
    for (const path of [
      "",
      "/",
      "/approval.html",
      "/tsconfig.json",
      "/..%2f..%2fpackage.json",
      "/apr_1/x",
      "/APR_1",
    ])
      expect([path, (await fetch(`${node.url}/approvals${path}`)).status]).toEqual([path, 404]);
    expect((await fetch(`${node.url}/approvals/apr_1`, { method: "POST" })).status).toBe(404);
    expect((await fetch(`${node.url}/approvals/apr_1`, { method: "HEAD" })).status).toBe(200);
  });
});

describe("whoever has signed in", () => {
  test("is told when a yes stands for more than one call, and only then", async () => {
    const names = { [metaKeys.run]: "august", [metaKeys.step]: "pay-1" };
    await page.goto((await asked("ACME", names, 95)).url);
    await signIn(vera);
    await waitFor("name", "bank__pay");
    expect(await text("endorses").innerText()).toMatch(/^A yes stands for more .* run_.* the same \/to,/);
    // Outside of a run there is nothing that it could last for.
    await page.goto((await asked("Brown", {}, 95)).url);
    await waitFor("arguments", "Brown");
    expect(await text("endorses").isVisible()).toBe(false);
  });

  test("sees what will run, approves it, and it runs once", async () => {
    const to = "ACME\u202e GmbH\u200b";
    const { url, approval } = await asked(to, { [metaKeys.run]: "july", [metaKeys.step]: "pay-1" });
    await page.goto(url);
    await signIn(vera);
    await waitFor("name", "bank__pay");
    expect(await text("arguments").innerText()).toBe(
      '{\n  "amount": 1,\n  "to": "ACME⟨U+202E⟩ GmbH⟨U+200B⟩"\n}',
    );
    expect(await text("by").innerText()).toMatch(/^is asked for by tester, as step pay-1 of run_/);
    expect(await text("rules").innerText()).toContain("0 of 1 by finance");
    expect(await text("rules").innerText()).toContain(
      "Each payment is ⟨U+202E⟩seen⟨U+200B⟩ <b>before</b> it is made",
    );
    expect(await text("state").innerText()).toBe("pending");
    expect(await text("clock").innerText()).toMatch(/^(59 min \d+ s|1 h 0 min) left/);
    const { body } = await node.admin<{ approval: { intent: string } }>("GET", `/approvals/${approval}`);
    expect(await text("intent").innerText()).toBe(body.approval.intent);

    await approve().click();
    await waitFor("result", "Approved. bank__pay runs once");
    expect(await text("state").innerText()).toBe("approved");
    expect(await text("rules").innerText()).toContain("1 of 1 by finance");
    expect(await text("decision").isVisible()).toBe(false);
    expect(bank.count("pay")).toBe(0);
    const meta = { [metaKeys.run]: "july", [metaKeys.step]: "pay-1" };
    const answer = await node.call("bank__pay", { to, amount: 1 }, { meta });
    expect(answer.code).toBeNull();
    expect(bank.count("pay")).toBe(1);
    await page.getByRole("button", { name: "Look again" }).click();
    await waitFor("state", "used");
    expect(await text("votes").innerText()).toContain("vera: yes");
  });

  test("denies it only with a reason, which the agent is told", async () => {
    const { url } = await asked("somebody twice");
    await page.goto(url);
    await signIn(vera);
    await deny().click();
    await text("missing").waitFor();
    expect(await text("reason").evaluate((field) => field === field.ownerDocument.activeElement)).toBe(true);
    await page.getByLabel("Reason").fill("it was paid on Monday");
    await deny().click();
    await waitFor("result", "Denied. bank__pay does not run");
    const answer = await node.call("bank__pay", { to: "somebody twice", amount: 1 });
    expect([answer.code, answer.text]).toEqual([
      "approval-denied",
      expect.stringContaining("it was paid on Monday"),
    ]);
  });

  test("can do it all from the keyboard", async () => {
    const { url } = await asked();
    await page.goto(url);
    await text("sign-in").waitFor();
    await page.keyboard.type(vera);
    await page.keyboard.press("Enter");
    await waitFor("name", "bank__pay");
    for (let i = 0; i < 12 && !(await approve().evaluate((button) => button.matches(":focus"))); i++)
      await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await waitFor("result", "Approved.");
  });

  test("gives one yes of two", async () => {
    const { url } = await asked("a large payee", {}, 100);
    await page.goto(url);
    await signIn(vera);
    await approve().click();
    await waitFor("result", "Your yes counts. It takes more of them");
    expect(await text("rules").innerText()).toContain("1 of 2 by finance");
    expect(await page.locator("#rules .why").count()).toBe(0); // its policy does not say
    expect(await text("state").innerText()).toBe("pending");
  });

  test("and is of no group that is asked reads why there is nothing to press", async () => {
    const { url } = await asked();
    await page.goto(url);
    await signIn(node.adminKey);
    await waitFor("why-not", "finance are asked");
    expect(await approve().isVisible()).toBe(false);
  });

  test("with a key that is none sees nothing, and may try another", async () => {
    const { url } = await asked();
    await page.goto(url);
    await signIn("sbk_nonsense");
    await waitFor("trouble", "not known");
    expect(await page.evaluate("sessionStorage.length")).toBe(0);
    await signIn(node.agentToken); // an agent's, which may not look
    await waitFor("trouble", /.+/);
    expect(await text("request").isVisible()).toBe(false);
    await signIn(vera);
    await waitFor("name", "bank__pay");
    expect(await text("trouble").isVisible()).toBe(false);
  });

  test("is forgotten by other tabs, in the address, and when signing out", async () => {
    const { url } = await asked();
    await page.goto(url);
    await signIn(vera);
    await waitFor("name", "bank__pay");
    await page.reload();
    await waitFor("name", "bank__pay");
    expect(page.url()).toBe(url);
    expect(await page.evaluate("document.cookie + localStorage.length")).toBe("0");
    const other = await browser.context.newPage();
    await other.goto(url);
    await other.locator("#sign-in").waitFor();
    await other.close();
    await page.getByRole("button", { name: "Sign out" }).click();
    await text("sign-in").waitFor();
    expect(await page.evaluate("sessionStorage.length")).toBe(0);
    expect(await page.locator("body").innerText()).not.toContain("bank__pay");
  });

  test("sees markup as text", async () => {
    const { url } = await asked('<img src=x onerror="alert(1)"><script>alert(2)</script>');
    await page.goto(url);
    await signIn(vera);
    await waitFor("arguments", "<script>alert(2)</script>");
    expect(await page.locator("main img, main script").count()).toBe(0);
  });

  test("finds that it was decided by somebody else meanwhile", async () => {
    const { url, approval } = await asked();
    await page.goto(url);
    await signIn(vera);
    await waitFor("name", "bank__pay");
    const carl = await makePerson(node, "carl", ["finance"]);
    await carl.decide(approval, "deny");
    await approve().click();
    await waitFor("trouble", "this request is denied");
    await page.getByRole("button", { name: "Look again" }).click();
    await waitFor("state", "denied");
    expect(await approve().isVisible()).toBe(false);
  });
});

test("it is readable on a phone, in light and in dark", async () => {
  const { url } = await asked(`${"wide".repeat(200)} and on`);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.goto(url);
    if (colorScheme === "light") await signIn(vera);
    await waitFor("name", "bank__pay");
    const width = await page.evaluate("document.documentElement.scrollWidth");
    expect(width).toBeLessThanOrEqual(390);
    const [ink, paper] = await page.evaluate<[string, string]>(
      "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]",
    );
    expect(contrast(ink, paper)).toBeGreaterThan(7);
    for (const button of [approve(), deny()])
      expect((await button.boundingBox())?.height).toBeGreaterThanOrEqual(44);
  }
});

/** WCAG 2.2, "contrast ratio". */
function contrast(one: string, other: string): number {
  const luminance = (colour: string): number => {
    const [r = 0, g = 0, b = 0] = (colour.match(/\d+/g) ?? []).map((part) => {
      const share = Number(part) / 255;
      return share <= 0.040_45 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}
