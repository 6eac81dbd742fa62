import { describe, expect, test } from "vitest";
import { snippetsFor } from "./snippets.ts";

const url = "http://127.0.0.1:7070/mcp";
const named = (client: string, token: string | null) => {
  const found = snippetsFor(url, token, ["node", "main.js"]).find((snippet) => snippet.client === client);
  if (found === undefined) throw new Error(`there is no snippet for ${client}`);
  return found.text;
};

describe("snippets for clients", () => {
  test("Cursor's and VS Code's are the files they read", () => {
    const headers = { Authorization: "Bearer t0k" };
    expect(JSON.parse(named("Cursor", "t0k"))).toEqual({ mcpServers: { signalbox: { url, headers } } });
    expect(JSON.parse(named("VS Code", "t0k"))).toEqual({
      servers: { signalbox: { type: "http", url, headers } },
    });
  });

  test("Claude Desktop's keeps the token out of the process list", () => {
    const { mcpServers } = JSON.parse(named("Claude Desktop", "t0k")) as {
      mcpServers: { signalbox: { args: readonly string[]; env: Readonly<Record<string, string>> } };
    };
    expect(mcpServers.signalbox.args).toEqual(["main.js", "stdio", "--url", "http://127.0.0.1:7070"]);
    expect(Object.values(mcpServers.signalbox.env)).toEqual(["t0k"]);
  });

  test("Claude Code's is one command", () => {
    expect(named("Claude Code", "t0k")).toBe(
      `claude mcp add --transport http signalbox ${url} --header "Authorization: Bearer t0k"`,
    );
  });

  test("without a token none of them speaks of one", () => {
    for (const { text } of snippetsFor(url, null, ["node", "main.js"]))
      expect(text).not.toMatch(/Bearer|Authorization|--header/);
  });
});
