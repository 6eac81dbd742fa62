import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../fixtures/until.ts";

/**
 * The steps of deploy/docker/Dockerfile without Docker: what is published is built, packed and installed with the versions of the
 * lockfile, and runs as a user that can write to nothing but its data.
 */
const root = join(import.meta.dirname, "../..");
/** The container's. Where the tests do not run as root, it is whoever runs them. */
const user = process.getuid?.() === 0 ? { uid: 10_001, gid: 10_001 } : null;
const installedMiBMax = 120; // 85 when this was written; the rest of the image is Node

const directory = mkdtempSync(join(tmpdir(), "signalbox-package-"));
const installed = join(directory, "opt");
const data = join(directory, "data");
const settings = join(directory, "etc");
/** A copy: a user that is not root may not even see what lies below root's home, and the tests may run there. */
const program = join(directory, "node");
const started: ChildProcess[] = [];
const isOurs = (path: string): boolean => basename(path) !== "node_modules";
/** What may lie about where somebody packs. */
const notPacked = [
  "dist/src/of-an-earlier-build.js",
  "deploy/compose/secrets/node.key",
  "examples/runtimes/node_modules/a.js",
];

beforeAll(() => {
  chmodSync(directory, 0o755);
  copyFileSync(process.execPath, program);
  const source = join(directory, "source");
  // As .dockerignore lets them in, and then what a package has beyond an image.
  const inPackageAlone = ["bench/results", "deploy", "examples"];
  for (const name of ["contract", "docs", "sdk", "src", "tools", "worker", ...inPackageAlone])
    cpSync(join(root, name), join(source, name), { recursive: true, filter: isOurs });
  for (const name of readdirSync(root).filter((each) => /\.(json|md)$|^LICENSE$|^\.npmrc$/.test(each)))
    copyFileSync(join(root, name), join(source, name));
  symlinkSync(join(root, "node_modules"), join(source, "node_modules"));
  const npm = (cwd: string, ...args: string[]) =>
    execFileSync("npm", args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  for (const name of notPacked) {
    mkdirSync(dirname(join(source, name)), { recursive: true });
    writeFileSync(join(source, name), "");
  }
  npm(source, "pack", "--silent", "--pack-destination", directory);
  const archive = readdirSync(directory).find((name) => name.endsWith(".tgz")) ?? "";
  mkdirSync(installed);
  execFileSync("tar", ["-xzf", join(directory, archive), "-C", installed, "--strip-components=1"]);
  copyFileSync(join(root, "package-lock.json"), join(installed, "package-lock.json"));
  npm(installed, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error");

  mkdirSync(settings);
  writeFileSync(
    join(settings, "signalbox.yaml"),
    `listen: { port: 0 }\ndata: { directory: ${data} }\nkeys: { file: node.key }\npolicies: { files: ["*.cedar"] }\n`,
  );
  copyFileSync(
    join(root, "deploy/compose/signalbox/policies/administration.cedar"),
    join(settings, "administration.cedar"),
  );
  writeFileSync(join(settings, "node.key"), Buffer.alloc(32, 7).toString("base64"), { mode: 0o600 });
  mkdirSync(data, { mode: 0o700 });
  if (user !== null) {
    for (const path of [data, join(settings, "node.key")]) chownSync(path, user.uid, user.gid);
  }
}, 300_000);

afterAll(async () => {
  for (const child of started) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }
  rmSync(directory, { recursive: true, force: true });
});

function start(): { child: ChildProcess; said: () => string; errors: () => string } {
  const { bin } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as {
    bin: { signalbox: string };
  };
  const args = [
    join(installed, bin.signalbox),
    "serve",
    "--config",
    join(settings, "signalbox.yaml"),
    "--json",
  ];
  const child = spawn(program, args, {
    ...user, // null = as we are
    cwd: data,
    env: { PATH: process.env["PATH"] ?? "", NODE_ENV: "production" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.push(child);
  const texts = { said: "", errors: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (texts.said += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (texts.errors += text));
  return { child, said: () => texts.said, errors: () => texts.errors };
}

describe("what is published", () => {
  test("holds what it needs and no tests, and is as small as it was", () => {
    const files = readdirSync(join(installed, "dist"), { recursive: true, encoding: "utf8" });
    expect(files.filter((name) => /\.(test|int|suite|fixture)\.js$/.test(name))).toEqual([]);
    for (const name of ["src/cli/main.js", "src/edge/pages/approval.html", "worker/main.js", "sdk/index.js"])
      expect(files).toContain(name);
    for (const name of ["vitest", "typescript", "rolldown", "kubernetes-models"])
      expect(existsSync(join(installed, "node_modules", name)), name).toBe(false);
    const kib = Number(execFileSync("du", ["-sk", installed], { encoding: "utf8" }).split("\t")[0]);
    expect(kib / 1024).toBeLessThan(installedMiBMax);
  });

  test("is a file for each room, and has the files that are read or started by their place", () => {
    const parts = readdirSync(join(installed, "dist/src/parts")).map((name) =>
      name.replace(/-[0-9a-f]+\.js$/, ""),
    );
    expect(parts).toEqual(
      expect.arrayContaining(["calls", "ledger", "store", "store-sqlite", "edge", "edge-stdio"]),
    );
    const named = globSync("src/**/*.ts", { cwd: root })
      .filter((name) => !/\.(test|int|suite|fixture)\.ts$/.test(name))
      .flatMap((name) => [
        ...readFileSync(join(root, name), "utf8").matchAll(/ownFile\("((?:src|worker)\/[^"]+)"/g),
      ])
      .map(([, name = ""]) => name.replace(/\.ts$/, ".js"));
    expect(named).toContain("worker/main.js");
    expect(named.filter((name) => !existsSync(join(installed, "dist", name)))).toEqual([]);
  });

  test("is built by packing it, and leaves out what only lies about", () => {
    for (const name of notPacked) expect(existsSync(join(installed, name)), name).toBe(false);
  });

  test("has what its pages link to", () => {
    const pages = globSync(["*.md", "{docs,deploy,examples}/**/*.md"], { cwd: installed });
    expect(pages).toContain("README.md");
    const missing = pages.flatMap((page) =>
      [...readFileSync(join(installed, page), "utf8").matchAll(/\]\(([^)\s#]+)[^)]*\)/g)]
        .map(([, target = ""]) => target)
        .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(installed, dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    );
    expect(missing).toEqual([]);
  });

  test("serves as a user that can write to its data alone, and ends with 0 at SIGTERM, twice on the same data", async () => {
    for (const _ of ["first", "again"]) {
      const node = start();
      await until(() => /"url"/.test(node.said()) || node.child.exitCode !== null);
      expect(node.child.exitCode, node.errors()).toBeNull();
      const { url } = JSON.parse(node.said()) as { url: string };
      const health = spawn(process.execPath, [join(root, "deploy/docker/health.mjs")], {
        env: { SIGNALBOX_HEALTH_PORT: new URL(url).port },
        stdio: "inherit",
      });
      expect(await once(health, "exit")).toEqual([0, null]);
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      const exit = once(node.child, "exit");
      node.child.kill("SIGTERM");
      expect(await exit).toEqual([0, null]);
      const gone = spawn(process.execPath, [join(root, "deploy/docker/health.mjs")], {
        env: { SIGNALBOX_HEALTH_PORT: new URL(url).port },
        stdio: "inherit",
      });
      expect(await once(gone, "exit")).toEqual([1, null]);
    }
  });
});
