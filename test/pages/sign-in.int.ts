import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Browser } from "../fixtures/browser.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { pkce } from "../fixtures/signing-person.ts";

/** The page where a person lets a client in, in a real browser, against a whole node; the client waits on a port of this machine. */
let directory: string;
let node: NodeProcess;
let browser: Browser;
let page: Page;
let client: Server;
let callback: string;
let key: string;
let calledBack: URL[];
let complaints: string[];
/** Where the client sends the browser once it has its answer; null = it shows a page. */
let sentOnTo: string | null;

beforeAll(async () => {
  directory = newDirectory();
  node = await NodeProcess.start({ directory });
  const made = await node.admin<{ secret: string }>("POST", "/agents/tester/keys", {
    label: "x",
    ttlMs: null,
  });
  key = made.body.secret;
  client = createServer((request, response) => {
    if (request.url?.startsWith("/cb") === true) calledBack.push(new URL(request.url, callback));
    if (sentOnTo !== null && request.headers.host !== new URL(sentOnTo).host) {
      response.writeHead(302, { location: sentOnTo }).end();
      return;
    }
    response.writeHead(200, { "content-type": "text/html" }).end("<title>client</title>you may close this");
  });
  await new Promise<void>((resolve) => client.listen(0, "127.0.0.1", resolve));
  callback = `http://127.0.0.1:${(client.address() as AddressInfo).port}/cb`;
  browser = await Browser.open({ viewport: { width: 390, height: 844 } }); // a phone's
});
afterAll(async () => {
  await browser.close();
  client.closeAllConnections();
  await new Promise((resolve) => client.close(resolve));
  await node.stop();
  removeDirectory(directory);
});
beforeEach(async () => {
  [complaints, calledBack, sentOnTo] = [[], [], null];
  page = await browser.context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // That a wrong key is answered with 403 is said there too. What the page's own policy refuses is what must not be.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
});
afterEach(async () => {
  await page.close();
  expect(complaints).toEqual([]);
});

async function open(name: string): Promise<void> {
  const response = await fetch(`${node.url}/oauth/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_name: name, redirect_uris: ["http://127.0.0.1/cb"] }),
  });
  const { client_id: clientId } = (await response.json()) as { client_id: string };
  const query = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: callback,
    state: "mine",
    code_challenge: pkce().challenge,
    code_challenge_method: "S256",
  });
  await page.goto(`${node.url}/oauth/authorize?${query.toString()}`);
}

describe("a person", () => {
  test("types the key, allows, and the client is called back", async () => {
    await open("Editor");
    expect(await page.getByRole("heading").textContent()).toContain("wants to act as one of your agents");
    expect(await page.locator("body").textContent()).toContain("Editor");
    const field = page.getByLabel("API key of the agent");
    await field.fill("sbk_wrong");
    await page.getByRole("button", { name: "Allow" }).click();
    await page.getByRole("alert").waitFor();
    expect(await page.getByRole("alert").textContent()).toContain("not an API key that is good here");
    expect(calledBack).toEqual([]);
    await field.fill(key);
    await field.press("Enter");
    await page.waitForURL(`${callback}?**`);
    const [back, ...more] = calledBack;
    expect(more).toEqual([]);
    expect(back?.searchParams.get("state")).toBe("mine");
    expect(back?.searchParams.get("iss")).toBe(node.url);
    expect(back?.searchParams.get("code")).not.toBeNull();
  });

  test("comes to where the client sends the browser on, be it another origin", async () => {
    sentOnTo = callback.replace("127.0.0.1", "localhost").replace("/cb", "/welcome");
    await open("Editor");
    await page.getByLabel("API key of the agent").fill(key);
    await page.getByRole("button", { name: "Allow" }).click();
    await page.waitForURL(sentOnTo);
    expect(calledBack).toHaveLength(1);
  });

  test("denies without a key, and the client hears of it", async () => {
    await open("Editor");
    await page.getByRole("button", { name: "Deny" }).click();
    await page.waitForURL(`${callback}?**`);
    expect(calledBack[0]?.searchParams.get("error")).toBe("access_denied");
  });

  test("sees the name of a client as text, and the page as it is meant", async () => {
    const name = `<img src=x onerror="document.title='taken'"><b>Bank</b>`;
    await open(name);
    expect(await page.locator(".said").textContent()).toBe(name);
    expect(await page.locator("img, b, script").count()).toBe(0);
    expect(await page.title()).toBe("Signalbox: signing in");
    // The style that the policy lets in is the one that is there.
    expect(await page.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius")).toBe(
      "14px",
    );
    expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
  });
});
