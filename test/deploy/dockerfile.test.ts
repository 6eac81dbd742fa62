import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Instruction } from "dockerfile-ast";
import { DockerfileParser } from "dockerfile-ast";
import { validate } from "dockerfile-utils";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const text = readFileSync(join(root, "deploy/docker/Dockerfile"), "utf8");
const instructions = DockerfileParser.parse(text).getInstructions();
const said = (keyword: string, among: readonly Instruction[]): readonly string[] =>
  among.filter((each) => each.getKeyword() === keyword).map((each) => each.getArgumentsContent() ?? "");
/** What stands in the last stage is what runs. */
const lastStage = instructions.slice(instructions.findLastIndex((each) => each.getKeyword() === "FROM"));

describe("the Dockerfile", () => {
  test("has no problem that a linter finds", () => {
    expect(validate(text).map(({ range, message }) => [range.start.line + 1, message])).toEqual([]);
    expect(validate(text.replace("HEALTHCHECK --interval", "HEALTHCHECK --intervall"))).toHaveLength(1);
  });

  test("copies what is there and gets into the build", () => {
    const kept = readFileSync(join(root, ".dockerignore"), "utf8")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    const copies = instructions.filter((each) => /^COPY (?!--from)/.test(each.getTextContent()));
    const paths = copies.flatMap((each) => (each.getArgumentsContent() ?? "").split(/\s+/).slice(0, -1));
    expect(paths).toContain("package-lock.json");
    for (const path of [...paths, ...kept]) expect(existsSync(join(root, path)), path).toBe(true);
    for (const path of paths.filter((each) => each !== "."))
      expect(kept.some((each) => path === each || (each.endsWith("/") && path.startsWith(each)))).toBe(true);
  });

  test("runs the node itself as process 1, as nobody in particular", () => {
    expect(said("USER", lastStage)).toEqual(["10001:10001"]);
    const entry = JSON.parse(said("ENTRYPOINT", lastStage)[0] ?? "[]") as string[];
    const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      bin: { signalbox: string };
    };
    expect(entry).toEqual(["node", `/opt/signalbox/${bin.signalbox}`]);
    expect(JSON.parse(said("CMD", lastStage)[0] ?? "[]")).toEqual([
      "serve",
      "--config",
      "/etc/signalbox/signalbox.yaml",
    ]);
    expect(said("STOPSIGNAL", lastStage)).toEqual(["SIGTERM"]);
    expect(said("VOLUME", lastStage)).toEqual(["/data"]);
  });

  test("is made on the Node that the tests run on, all stages on one", () => {
    const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      devDependencies: Record<string, string>;
    };
    expect(said("ARG", instructions)).toEqual([`NODE_IMAGE=node:${devDependencies["node"]}-bookworm-slim`]);
    for (const from of said("FROM", instructions)) expect(from).toMatch(/^\$\{NODE_IMAGE\}/);
  });
});
