import type { Command } from "commander";
import type { Import } from "../../app/index.ts";
import { cleanLine } from "../clean.ts";
import type { Client } from "../client.ts";
import { api } from "../client.ts";
import { Stop, stopFrom } from "../exit.ts";
import { apiVerb, run } from "../session.ts";
import type { Session } from "../session.ts";
import type { Page, Terminal } from "../terminal.ts";

interface Outcome {
  readonly name: string;
  readonly state: "added" | "would be added" | "is there already" | "failed";
  /** Why it failed; null = it did not. */
  readonly reason: string | null;
}

export function importCommand(program: Command, terminal: Terminal): void {
  apiVerb(program, {
    usage: "import [files...]",
    summary: "Register the MCP servers of other clients (Claude, Cursor, VS Code, Copilot) with the node",
    notes:
      "Without files, looks in the usual places. Secrets in them go into the vault, and that is said. Changes none of the files.",
    example: "signalbox import .mcp.json --dry-run",
  })
    .option("--dry-run", "only say what would happen")
    .action(
      run(terminal, async (session, files: readonly string[], options: { dryRun?: boolean }) => {
        const { importServers } = await import("../../app/index.ts");
        const dryRun = options.dryRun ?? false;
        const paths = files.length === 0 ? null : files;
        const found = await importServers(terminal.environment, paths, nodeUrl(session, dryRun));
        const outcomes =
          dryRun && found.servers.length === 0 ? [] : await registered(session.api(), found, dryRun);
        const answer = {
          files: found.files,
          servers: outcomes,
          vault: found.secrets.map(({ name }) => name),
          needed: found.needed.map(({ name, description }) => ({ name, description })),
          notes: found.notes,
        };
        session.print({ json: answer, human: (page) => outcomeText(found, outcomes, page) });
        if (outcomes.some(({ state }) => state === "failed"))
          throw new Stop("import", "Some servers were not imported.");
        if (found.files.length === 0 && files.length > 0)
          throw new Stop("import", "None of the files could be read.");
      }),
    );
}

/** null = no node is known, and a dry run that finds nothing needs none. */
function nodeUrl(session: Session, dryRun: boolean): string | null {
  try {
    return session.api().url;
  } catch (thrown) {
    if (dryRun && thrown instanceof Stop) return null;
    throw thrown;
  }
}

async function registered(client: Client, found: Import, dryRun: boolean): Promise<readonly Outcome[]> {
  const { items } = await client.list<{ readonly name: string }>("/servers", 1_000);
  const known = new Set(items.map(({ name }) => name));
  const outcomes: Outcome[] = [];
  for (const server of found.servers) {
    const { name } = server;
    if (known.has(name)) outcomes.push({ name, state: "is there already", reason: null });
    else if (dryRun) outcomes.push({ name, state: "would be added", reason: null });
    else outcomes.push(await register(client, server, found));
  }
  return outcomes;
}

/** Its secrets first: a server whose secrets are missing would only fail to connect. */
async function register(
  client: Client,
  server: Import["servers"][number],
  { secrets }: Import,
): Promise<Outcome> {
  const { name } = server;
  const { vaultNames } = await import("../../app/index.ts");
  try {
    const used = new Set(vaultNames(server));
    for (const secret of secrets) {
      if (used.has(secret.name)) await client.put(api`/vault/${secret.name}`, { value: secret.value });
    }
    await client.post("/servers", server);
    return { name, state: "added", reason: null };
  } catch (thrown) {
    const stop = stopFrom(thrown);
    if (stop.code === "unreachable" || stop.code === "internal") throw thrown;
    return { name, state: "failed", reason: stop.message };
  }
}

function outcomeText(
  { files, notes, needed }: Import,
  outcomes: readonly Outcome[],
  { paint }: Page,
): string {
  if (files.length === 0) {
    return [
      "No file of a known client was found here or in your home directory.",
      ...notes.map(cleanLine),
    ].join("\n");
  }
  return [
    ...files.map(({ path, servers }) => paint("dim", `${cleanLine(path)}: ${servers} servers`)),
    ...outcomes.map(({ name, state, reason }) =>
      reason === null
        ? `${paint("bold", name)} ${state}`
        : `${paint("bold", name)} ${paint("red", state)}: ${cleanLine(reason)}`,
    ),
    ...notes.map((note) => `• ${cleanLine(note)}`),
    ...needed.map(
      ({ name, description }) => `→ signalbox vault put ${name}   ${paint("dim", cleanLine(description))}`,
    ),
  ].join("\n");
}
