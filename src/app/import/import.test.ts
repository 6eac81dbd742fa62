import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Environment } from "../environment.ts";
import { looksLikeCredential } from "./credentials.ts";
import { parseForeign, withoutComments } from "./parse.ts";
import { importPlaces } from "./places.ts";
import type { Imported } from "./servers.ts";
import { importedOf, nothingTaken, takeServers } from "./servers.ts";
import { expand } from "./variables.ts";

const environment: Environment = {
  variables: { TOKEN: "t0ken-value-1", HOST: "h.example", EMPTY: "" },
  home: "/home/me",
  workingDirectory: "/projects/here",
  platform: "linux",
};
const take = (content: unknown): Imported => {
  const parsed = parseForeign(
    typeof content === "string" ? content : JSON.stringify(content),
    "/projects/here",
  );
  if (!parsed.ok) throw new Error(parsed.refusal.detail);
  const taken = nothingTaken();
  takeServers(taken, parsed.value, "f.json", environment);
  return importedOf(taken);
};
const notesOf = (content: unknown): string[] =>
  take(content).notes.map((note) => note.replace("f.json: ", ""));

describe("servers of other clients", () => {
  test("are all but the node itself, however its address is written", () => {
    const parsed = parseForeign(
      JSON.stringify({
        mcpServers: {
          signalbox: {
            url: "http://localhost:4680/mcp",
            headers: { Authorization: "Bearer canary-0123456789" },
          },
          again: { type: "http", url: "http://[::1]:4680/mcp" },
          other: { url: "http://localhost:4681/mcp" },
        },
      }),
      null,
    );
    if (!parsed.ok) throw new Error(parsed.refusal.detail);
    const taken = nothingTaken();
    takeServers(taken, parsed.value, "f.json", environment, "http://127.0.0.1:4680");
    expect(importedOf(taken)).toMatchObject({ servers: [{ name: "other" }], secrets: [] });
    expect(taken.notes).toEqual([
      'f.json: Skipped "signalbox": it is this node.',
      'f.json: Skipped "again": it is this node.',
    ]);
  });

  test("come over from the mcpServers form, with literal secrets moved into the vault and said", () => {
    const canary = "ghp_canary0123456789abcdefABCDEF";
    const imported = take({
      mcpServers: {
        GitHub: {
          command: "npx",
          args: ["-y", "@modelcontextprotocol/server-github@2025.4.8"],
          env: { GITHUB_PERSONAL_ACCESS_TOKEN: canary, LOG_LEVEL: "info", PORT: 80, OFF: false },
        },
        remote: {
          type: "http",
          url: "https://mcp.example.com/mcp",
          headers: { Authorization: `Bearer ${canary}`, "X-Region": "eu" },
        },
        // The retired transport is spoken as well; which one it is is found out at the first connection.
        old: { type: "sse", url: "https://mcp.example.com/sse" },
      },
    });
    expect(imported.servers).toEqual([
      {
        name: "github",
        enabled: true,
        transport: {
          kind: "stdio",
          command: "npx",
          args: ["-y", "@modelcontextprotocol/server-github@2025.4.8"],
          env: {
            GITHUB_PERSONAL_ACCESS_TOKEN: { vault: "github.GITHUB_PERSONAL_ACCESS_TOKEN" },
            LOG_LEVEL: { literal: "info" },
            PORT: { literal: "80" },
            OFF: { literal: "false" },
          },
          cwd: null,
        },
      },
      {
        name: "remote",
        enabled: true,
        transport: {
          kind: "http",
          url: "https://mcp.example.com/mcp",
          headers: { Authorization: { vault: "remote.Authorization" }, "X-Region": { literal: "eu" } },
        },
      },
      {
        name: "old",
        enabled: true,
        transport: { kind: "http", url: "https://mcp.example.com/sse", headers: {} },
      },
    ]);
    expect(imported.secrets).toEqual([
      { name: "github.GITHUB_PERSONAL_ACCESS_TOKEN", value: canary },
      { name: "remote.Authorization", value: `Bearer ${canary}` },
    ]);
    expect(imported.notes).toEqual([
      'f.json: "GitHub" is called "github" here.',
      'f.json: Keeps env "GITHUB_PERSONAL_ACCESS_TOKEN" of "github" in the vault as "github.GITHUB_PERSONAL_ACCESS_TOKEN"; delete it from the file it came from.',
      'f.json: Keeps headers "Authorization" of "remote" in the vault as "remote.Authorization"; delete it from the file it came from.',
    ]);
    expect(JSON.stringify([imported.servers, imported.notes])).not.toContain("canary");
  });

  test("come over from VS Code's form, with its inputs as values that are still needed", () => {
    const imported = take(`{
      // comments, and commas at the end
      "inputs": [{ "id": "key", "type": "promptString", "description": "API key", "password": true, },],
      "servers": {
        "web": { "type": "http", "url": "https://x.example/mcp", "headers": { "Authorization": "Bearer \${input:key}", }, },
        "local": { "type": "stdio", "command": "\${workspaceFolder}/bin/s", "env": { "A_URL": "http://\${env:HOST}//x" } }, /* end */
      },
    }`);
    expect(imported.needed).toEqual([
      { name: "web.Authorization", input: "key", description: "API key", template: "Bearer ${input}" },
    ]);
    expect(imported.servers.map((server) => server.transport)).toMatchObject([
      { headers: { Authorization: { vault: "web.Authorization" } } },
      { command: "/projects/here/bin/s", env: { A_URL: { literal: "http://h.example//x" } } },
    ]);
  });

  test("that cannot be used are left out with the reason, and the rest is taken", () => {
    const command = { command: "x" };
    expect(
      notesOf({
        mcpServers: {
          b: {},
          c: 7,
          d: { command: "x", args: "y" },
          e: { url: "ftp://x" },
          f: { command: "x", args: ["${input:path}"] },
          g: { command: "x", env: { A: {} } },
          日本: command,
          signalbox: command,
          Same: command,
          same: command,
          h: { url: "https://u:p@x/" },
          ok: { command: "x", env: { A: "${NOT_SET}", B: null } },
        },
      }),
    ).toEqual([
      'Skipped "c": it is not an object.',
      'Skipped "b": it has neither a command nor a url.',
      'Skipped "d": its args are not a list of texts.',
      'Skipped "e": transport.url: must be http or https.',
      'Skipped "f": its argument 1 needs ${input:path}, which has no value here.',
      'Skipped "g": its env hold something that is not text.',
      'Skipped "日本": no server name can be made of it.',
      'Skipped "signalbox": that is what nodes call themselves; under another name it can be added.',
      '"Same" is called "same" here.',
      'Skipped "same": there is a server "same" already.',
      'Skipped "h": transport.url: carries a user name or password; use a header with a ${vault:…} reference.',
      'Left out env "A" of "ok": ${NOT_SET} has no value here.',
    ]);
  });

  test("that are unsafe as they stand are taken and named, without showing the secret", () => {
    const notes = notesOf({
      mcpServers: {
        a: { command: "npx", args: ["some-server", "--api-key", "canary123", "--token=canary456"] },
        b: { command: "uvx", args: ["some-server==1.2.3"], envFile: ".env" },
        c: { url: "https://x.example/mcp?api_key=canary789" },
        d: { command: "npx", args: ["-y", "some-server@latest"], disabled: true },
      },
    });
    expect(notes).toEqual([
      expect.stringContaining('Argument 3 of "a" looks like a credential'),
      expect.stringContaining('Argument 4 of "a" looks like a credential'),
      expect.stringContaining('"a" takes whatever version'),
      expect.stringContaining('"b" reads an env file'),
      expect.stringContaining('The address of "c" carries what looks like a credential'),
      expect.stringContaining('"d" takes whatever version'),
    ]);
    expect(notes.join(" ")).not.toContain("canary");
  });

  test("never make it throw, whatever the file holds", () => {
    const any = fc.jsonValue({ maxDepth: 4 });
    fc.assert(
      fc.property(any, any, any, fc.string(), (a, b, c, name) => {
        const files: unknown[] = [
          a,
          { mcpServers: a, servers: b, inputs: c, projects: a },
          { mcpServers: { [`x${name}`]: { command: a, args: b, env: c, cwd: a, url: b } } },
          { mcpServers: { x: { command: name, args: [name], env: { A: name }, headers: c } } },
          { servers: { x: { url: `https://${name}`, headers: { A: b, [name]: "c" } } } },
        ];
        for (const file of files) {
          const parsed = parseForeign(JSON.stringify(file), "/projects/here");
          if (!parsed.ok) continue;
          const taken = nothingTaken();
          takeServers(taken, parsed.value, "f", environment);
        }
      }),
    );
  });

  test.each<[string, string]>([
    ["a key twice", '{"mcpServers":{},"mcpServers":{}}'],
    ["__proto__", '{"mcpServers":{"__proto__":{}}}'],
    ["100,000 levels", "[".repeat(100_000)],
    ["nothing", ""],
    ["an open comment", "{/*"],
    ["an open text", '{"a'],
    ["a list of servers", '{"mcpServers":[]}'],
  ])("in a file with %s are refused", (_, text) => {
    expect(parseForeign(text, null).ok).toBe(false);
  });
});

describe("comments", () => {
  test("and trailing commas go, and texts stay as they are", () => {
    const text = '{"a": "// no /* no */ ,}", /* yes\n ] */ "b": [1, 2, // yes\n ], "c": "\\"//", }';
    expect(JSON.parse(withoutComments(text))).toEqual({ a: "// no /* no */ ,}", b: [1, 2], c: '"//' });
    expect(withoutComments(text)).toHaveLength(text.length);
  });

  test("are not seen in JSON that has none", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value, null, 1);
        expect(withoutComments(text)).toBe(text);
      }),
    );
  });

  test("in a hostile number take little time", () => {
    withoutComments(`[${"1,/**/".repeat(300_000)}]`);
    withoutComments(",]".repeat(300_000));
    expect(withoutComments("/".repeat(1_000_000))).toHaveLength(1_000_000);
  });
});

describe("variables", () => {
  test.each([
    ["${TOKEN}", "t0ken-value-1", []],
    ["${env:TOKEN}!", "t0ken-value-1!", []],
    ["${NONE:-fallback}", "fallback", []],
    ["${EMPTY:-fallback}", "", []],
    ["${userHome}${/}x", "/home/me/x", []],
    [
      "$TOKEN ${toString} ${env:__proto__}",
      "$TOKEN ${toString} ${env:__proto__}",
      ["toString", "env:__proto__"],
    ],
    ["${a b}", "${a b}", ["a b"]],
  ])("%s becomes %s", (text, expanded, missing) => {
    expect(expand(text, environment)).toMatchObject({ text: expanded, missing });
  });
});

describe("what looks like a credential", () => {
  test.each([
    ["GITHUB_TOKEN", "x"],
    ["apiKey", "abc"],
    ["OPENAIAPIKey", "abc"],
    ["X-Api-Key", "abc"],
    ["Authorization", "abc"],
    ["DB_PASSWORD", "hunter2"],
    ["DATABASE", "postgres://user:pw@host/db"],
    ["WHATEVER", "sk-proj-abcdefghijklmnop1234"],
    ["WHATEVER", "Bearer abcdefgh12"],
    ["WHATEVER", "a1b2c3d4e5f60718a1b2c3d4e5f60718"],
    ["COOKIE", "a=b"],
  ])("%s=%s does", (name, value) => {
    expect(looksLikeCredential(name, value)).toBe(true);
  });

  test.each([
    ["LOG_LEVEL", "info"],
    ["KEYBOARD", "us"],
    ["MONKEY", "banana"],
    ["TOKEN_FILE", "/run/secrets/token"],
    ["AUTH_MODE", "none"],
    ["AUTH", "true"],
    ["TOKEN", ""],
    ["PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin"],
    ["WORKSPACE", "123e4567-e89b-42d3-a456-426614174000"],
    ["DATABASE", "postgres://localhost/db"],
  ])("%s=%s does not", (name, value) => {
    expect(looksLikeCredential(name, value)).toBe(false);
  });

  test("is decided in little time, whatever the value", () => {
    for (const value of [
      "a".repeat(1e6),
      "a1-".repeat(3e5),
      "x://".repeat(2e5),
      "eyJ".repeat(3e5),
      "-----BEGIN ".repeat(1e5),
    ]) {
      // Whatever it says, it says it before the test's own deadline.
      expect(typeof looksLikeCredential("X", value)).toBe("boolean");
      expect(typeof looksLikeCredential(value, "x")).toBe("boolean");
    }
  });
});

describe("the usual places", () => {
  const paths = (platform: NodeJS.Platform, home: string, variables = {}) =>
    importPlaces({ platform, home, variables, workingDirectory: home }).map((place) => place.path);

  test("depend on the operating system", () => {
    expect(paths("darwin", "/Users/me")).toContain(
      "/Users/me/Library/Application Support/Claude/claude_desktop_config.json",
    );
    expect(paths("win32", "C:\\Users\\me", { APPDATA: "D:\\Data" })).toContain(
      "D:\\Data\\Claude\\claude_desktop_config.json",
    );
    expect(paths("linux", "/home/me", { XDG_CONFIG_HOME: "/c" })).toContain("/c/Code/User/mcp.json");
    expect(new Set(paths("linux", "/home/me")).size).toBe(paths("linux", "/home/me").length);
  });
});
