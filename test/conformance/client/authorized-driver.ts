import { NodeProcess, newDirectory, removeDirectory } from "../../fixtures/node-process.ts";
import { until } from "../../fixtures/until.ts";

/**
 * The client in the suite's scenarios about authorization is the gateway itself: a node that has the address that the suite appends
 * as its server, and is authorized there as an administrator would do it. The suite's authorization servers consent at once.
 */
const context = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}") as Readonly<
  Record<string, string>
>;
const serverUrl = process.argv.at(-1) ?? "";
const tool = "upstream__test-tool";

/** One server of the suite wants more each time; nobody goes on for ever. */
const consentsMax = 4;

const directory = newDirectory();
const auth = await settings();
const yaml = `servers: ${JSON.stringify({ upstream: { url: serverUrl, auth } })}`;
const node = await NodeProcess.start({ directory, yaml });
try {
  if (await isConnected()) await call();
} finally {
  await node.stop();
  removeDirectory(directory);
}

/** Consents as often as the node says that somebody has to, as a patient administrator would. False = it is no use. */
async function isConnected(): Promise<boolean> {
  let before = "";
  for (let i = 0; i <= consentsMax; i++) {
    let trouble = "";
    await until(async () => {
      trouble = await troubleWithServer();
      return (trouble !== "" && trouble !== before) || (await node.tools()).includes(tool);
    });
    if (trouble === "" || trouble === before) return true;
    if (!trouble.includes("signalbox servers authorize") || !(await consents())) return false;
    before = trouble;
  }
  return false;
}

/** Why the server is down, in the node's words; empty = it is not. */
async function troubleWithServer(): Promise<string> {
  interface Shown {
    readonly server: { readonly health: { readonly state: string; readonly reason?: string } };
  }
  const { health } = (await node.admin<Shown>("GET", "/servers/upstream")).body.server;
  return health.state === "down" ? (health.reason ?? "down") : "";
}

/** A call that needs more than was consented to is made again after another consent. */
async function call(): Promise<void> {
  const answer = await node.call(tool);
  if (answer.code !== null && (await consents())) await node.call(tool);
}

/** What an administrator writes down: nothing, or the client that was registered by hand. */
async function settings(): Promise<Readonly<Record<string, unknown>>> {
  const { client_id: clientId, client_secret: clientSecret, private_key_pem: privateKey, issuer } = context;
  if (clientId === undefined) return { kind: "oauth" };
  const client = { kind: "oauth", clientId, ...(clientSecret === undefined ? {} : { clientSecret }) };
  if (issuer !== undefined) return { ...client, issuer };
  const own = { ...client, grant: "client-credentials", issuer: await issuerOfServer() };
  return privateKey === undefined ? own : { ...own, privateKey, algorithm: context["signing_algorithm"] };
}

async function issuerOfServer(): Promise<string | undefined> {
  const response = await fetch(new URL("/.well-known/oauth-protected-resource/mcp", serverUrl));
  const metadata = (await response.json()) as { readonly authorization_servers: readonly string[] };
  return metadata.authorization_servers[0];
}

/** Follows the address that the administrator is given, and types the code. False = it was refused on the way. */
async function consents(): Promise<boolean> {
  const begun = await node.admin<{ url: string; confirmation: string }>(
    "POST",
    "/servers/upstream/authorize",
  );
  if (begun.status !== 200) return false;
  const sent = await fetch(begun.body.url, { redirect: "manual" });
  const back = new URL(sent.headers.get("location") ?? "", begun.body.url);
  await fetch(back);
  const { confirmation } = begun.body;
  const form = new URLSearchParams({ ...Object.fromEntries(back.searchParams), confirmation });
  const headers = { origin: back.origin };
  const done = await fetch(`${back.origin}${back.pathname}`, { method: "POST", body: form, headers });
  return done.status === 200;
}
