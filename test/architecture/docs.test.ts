import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { readEnvironment } from "../../src/app/command-line.ts";
import { readConfig } from "../../src/app/config/config.ts";
import { adminActions } from "../../src/admin/index.ts";
import { systemClock } from "../../src/base/index.ts";
import { buildProgram } from "../../src/cli/index.ts";
import { compilePolicies, problemText } from "../../src/policy/index.ts";
import { gaugeNames, metricNames } from "../../src/telemetry/names.ts";

/** Everything a reader may copy from a page is there: links, files, commands with their options, npm scripts, metrics, policies. */
const root = join(import.meta.dirname, "../..");
const pages = globSync(["*.md", "docs/**/*.md", "deploy/**/*.md"], { cwd: root }).map((path) => ({
  path,
  text: readFileSync(join(root, path), "utf8"),
}));

const { stdin, stdout, stderr } = process;
const program = buildProgram({ environment: readEnvironment(), clock: systemClock, stdin, stdout, stderr });

test.each(pages)("every relative link of $path leads somewhere", ({ path, text }) => {
  for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file = "", anchor] = target.split("#");
    const found = file === "" ? path : relative(root, join(root, dirname(path), file));
    expect(existsSync(join(root, found)), `${path} links to ${target}`).toBe(true);
    if (anchor !== undefined)
      expect(anchorsOf(readFileSync(join(root, found), "utf8")), target).toContain(anchor);
  }
});

test.each(pages)("every file that $path names exists", ({ path, text }) => {
  for (const [, name = ""] of text.matchAll(
    /`((?:src|test|docs|contract|bench|tools|examples|deploy)\/[^`\s]*)`/g,
  )) {
    // Patterns are not names, and some methods of MCP look like files of ours.
    if (/[*<{…]|^tools\/(call|list)$/.test(name)) continue;
    expect(existsSync(join(root, name.replace(/:\d+$/, ""))), `${path} names ${name}`).toBe(true);
  }
});

test.each(pages)("every command in $path is one, with the options it is given", ({ path, text }) => {
  for (const line of codeOf(text)) {
    for (const said of commandsIn(line)) expect(problemOf(said), `${path}: signalbox ${said}`).toBeNull();
  }
});

test.each(pages)("every npm script in $path is one", ({ path, text }) => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  for (const line of codeOf(text)) {
    for (const [, name = ""] of line.matchAll(/\bnpm run (?:-s )?([a-z]+)/g))
      expect(Object.keys(scripts), path).toContain(name);
  }
});

test.each(pages)("every metric in $path is one", ({ path, text }) => {
  const names: readonly string[] = [
    ...Object.values(metricNames),
    ...Object.values(gaugeNames).map(({ name }) => name),
  ];
  for (const [name] of text.matchAll(/\bsignalbox_(?!_)[a-z_]+/g))
    expect(names, path).toContain(name.replace(/_(bucket|sum|count)$/, ""));
});

test.each(pages)("every policy in $path is acceptable", ({ path, text }) => {
  for (const block of blocksOf(text, "cedar")) {
    const compiled = compilePolicies({
      files: [{ path, text: block }],
      catalog: { tenants: ["default"], roles: [], servers: [], tools: [], adminActions },
      toolProblems: "deny",
    });
    expect(compiled.ok ? [] : compiled.refusal.map(problemText), block).toEqual([]);
  }
});

test.each(pages)("every signalbox.yaml in $path is acceptable", ({ path, text }) => {
  for (const block of blocksOf(text, "yaml").filter((yaml) => yaml.startsWith("# signalbox.yaml"))) {
    const config = readConfig({ text: block, file: join(root, "signalbox.yaml"), env: {} });
    expect(config.ok ? [] : config.refusal, path).toEqual([]);
  }
});

/** As GitHub makes them of headings. */
const anchorsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );

const blocksOf = (text: string, language: string): readonly string[] =>
  [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, said]) => said === language)
    .map(([, , block = ""]) => block);

/** Lines of fenced and indented blocks, and what stands between backticks elsewhere. */
function codeOf(text: string): readonly string[] {
  const blocks = [...text.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].flatMap(([, block = ""]) =>
    block.split("\n"),
  );
  const rest = text.replaceAll(/^```\w*\n[\s\S]*?^```$/gm, "").split("\n");
  const indented = rest.filter((line) => /^ {4}\S/.test(line)).map((line) => line.trim());
  const inline = [...rest.join("\n").matchAll(/`([^`]+)`/g)].map(([, code = ""]) =>
    code.replaceAll("\n", " "),
  );
  return [...blocks, ...indented, ...inline];
}

/** What follows each `signalbox` that starts a command: at the start, after a prompt, `npx`, `npm run`, or a pipe or list of the shell. */
const commandsIn = (line: string): readonly string[] =>
  line
    .replace(/\s#\s.*$/, "")
    .split(/\s(?:&&|\|\|?|;)\s|\$\(/)
    .flatMap((part) => {
      const said =
        /^(?:\s*\$\s+)?(?:[A-Z_]+=\S+\s+)*(?:npx |npm run (?:-s )?)?signalbox (?:-- )?([^>)]*)/.exec(
          part,
        )?.[1];
      return said === undefined ? [] : [said.trim()];
    });

/** null = it is a command of ours and takes these options. */
function problemOf(said: string): string | null {
  const [words = ""] = said.split(/\s--\s/); // what follows is another program's
  const tokens = words.split(/\s+/).filter((token) => token !== "");
  const known = new Set(optionsOf(program));
  let command = program;
  for (const token of tokens) {
    if (token.startsWith("-")) continue;
    const next: Command | undefined = command.commands.find((each) => each.name() === token);
    if (next === undefined) {
      if (command.commands.length > 0) return `there is no "${token}" in "${command.name()}"`;
      break;
    }
    command = next;
    for (const option of optionsOf(command)) known.add(option);
  }
  const unknown = tokens
    .filter((token) => /^--[a-z]/.test(token))
    .map((token) => token.split("=")[0] ?? token)
    .filter((option) => !known.has(option) && option !== "--help");
  return unknown.length === 0 ? null : `"${command.name()}" has no ${unknown.join(", ")}`;
}

const optionsOf = (command: Command): readonly string[] =>
  command.options.flatMap(({ long }) => (typeof long === "string" ? [long] : []));
