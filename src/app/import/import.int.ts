import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Environment } from "../environment.ts";
import { importServers } from "./import.ts";

let home = "";
let environment: Environment;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "signalbox-import-"));
  environment = {
    variables: { GH: "ghp_0123456789abcdefghijABCDEFGHIJ" },
    home,
    workingDirectory: join(home, "work"),
    platform: "linux",
  };
});
afterEach(() => rm(home, { recursive: true, force: true }));

const put = async (path: string, content: unknown): Promise<string> => {
  const full = join(home, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, typeof content === "string" ? content : JSON.stringify(content));
  return full;
};

describe("an import", () => {
  test("finds the files of the usual clients, nearest first, and keeps the first of a name", async () => {
    await put("work/.mcp.json", { mcpServers: { files: { command: "near" } } });
    await put(".cursor/mcp.json", {
      mcpServers: { files: { command: "far" }, web: { url: "https://x.example/mcp" } },
    });
    await put(
      ".config/Code/User/mcp.json",
      '{ // mine\n "servers": { "code": { "type": "stdio", "command": "c", }, }, }',
    );
    await put(".config/Claude/claude_desktop_config.json", { mcpServers: { desk: { command: "d" } } });
    await put(".claude.json", {
      mcpServers: { all: { command: "a" } },
      projects: {
        [join(home, "work")]: { mcpServers: { here: { command: "h" } } },
        "/else": { mcpServers: { no: { command: "n" } } },
      },
    });
    const found = await importServers(environment, null);
    expect(found.servers.map((server) => server.name).sort()).toEqual([
      "all",
      "code",
      "desk",
      "files",
      "here",
      "web",
    ]);
    expect(found.servers[0]).toMatchObject({ name: "files", transport: { command: "near" } });
    expect(found.files.map((file) => [file.client, file.servers])).toEqual([
      ["claude-code", 1],
      ["claude-code", 2],
      ["cursor", 1],
      ["vscode", 1],
      ["claude-desktop", 1],
    ]);
    expect(found.notes).toEqual([
      expect.stringContaining('Skipped "files": there is a server "files" already.'),
    ]);
  });

  test("says what is wrong with a file that was given, and goes on", async () => {
    const good = await put("good.json", { mcpServers: { a: { command: "a" } } });
    const bad = await put("bad.json", '{"mcpServers": {"a": {"command": "x"}, "a": {"command": "y"}}}');
    const list = await put("list.json", "[]");
    const missing = join(home, "missing.json");
    const found = await importServers(environment, [missing, bad, list, home, good]);
    expect(found.servers).toHaveLength(1);
    expect(found.notes).toEqual([
      `${missing}: There is no such file.`,
      `${bad}: Skipped, the key "a" stands twice in one object.`,
      `${list}: Skipped, the file does not hold an object.`,
      `${home}: Skipped, it cannot be read (EISDIR).`,
    ]);
  });

  test("of files that hold nothing for us is empty and silent", async () => {
    await put("work/mcp.json", {});
    const found = await importServers(environment, null);
    expect(found).toMatchObject({ servers: [], secrets: [], needed: [], notes: [] });
  });
});
