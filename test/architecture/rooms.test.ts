import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { innerDoors, reserved, rooms } from "./rooms.ts";

const root = join(import.meta.dirname, "../..");
const isTest = (file: string) => /\.(test|int|suite|fixture)\.ts$/.test(file);
const files = globSync("{src,contract}/**/*.ts", { cwd: root }).toSorted();

interface Import {
  readonly from: string;
  readonly to: string;
}

function importsOf(file: string): Import[] {
  const source = readFileSync(join(root, file), "utf8");
  const found = source.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g);
  return [...found].map((match) => ({
    from: file,
    to: relative(root, normalize(join(root, dirname(file), match[1] ?? ""))),
  }));
}

const roomOf = (file: string): string | null =>
  file.startsWith("src/") ? (file.split("/")[1] ?? null) : null;
const all = files.flatMap(importsOf);
const ours = all.filter((edge) => !isTest(edge.from));

/** The part of a path inside its room: "index.ts", "sqlite/index.ts". */
const within = (file: string) => file.split("/").slice(2).join("/");

describe("the house", () => {
  test("every folder of src is a room in the table, and every row has its folder", () => {
    const folders = new Set(files.map(roomOf).filter((room) => room !== null));
    expect([...folders].toSorted()).toEqual(Object.keys(rooms).toSorted());
  });

  test("no row names a room that stands below it", () => {
    const order = Object.keys(rooms);
    for (const [room, uses] of Object.entries(rooms)) {
      for (const used of uses)
        expect(order.indexOf(used), `${room} uses ${used}`).toBeLessThan(order.indexOf(room));
    }
  });

  test("a room uses only what its row allows", () => {
    const wrong = ours.filter(({ from, to }) => {
      const [user, used] = [roomOf(from), roomOf(to)];
      if (user === null) return used !== null; // contract imports nothing of ours
      return used !== null && used !== user && !(rooms[user] ?? []).includes(used);
    });
    expect(wrong).toEqual([]);
  });

  test("a room is entered through its door", () => {
    const wrong = all.filter(({ from, to }) => {
      if (isTest(from) && to.startsWith("test/")) return false;
      const [user, used] = [roomOf(from) ?? "contract", roomOf(to) ?? "contract"];
      if (user === used) return false;
      if (used === "contract") return to !== "contract/index.ts";
      return within(to) !== "index.ts" && !(innerDoors[used] ?? []).includes(within(to));
    });
    expect(wrong).toEqual([]);
  });

  test("contract and src import nothing from test, bench, tools or examples", () => {
    expect(ours.filter(({ to }) => !/^(src|contract)\//.test(to))).toEqual([]);
  });

  test("there are no import circles", () => {
    const graph = new Map<string, string[]>();
    for (const { from, to } of ours) graph.set(from, [...(graph.get(from) ?? []), to]);
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]) => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" > "));
      if (done.has(file) || path.includes(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of graph.keys()) visit(file, []);
    expect(circles).toEqual([]);
  });

  test.each(reserved)("$what stays in its room", ({ pattern, allowedIn }) => {
    const wrong = files
      .filter((file) => !isTest(file) && !allowedIn.some((allowed) => file.startsWith(allowed)))
      .filter((file) => pattern.test(withoutComments(readFileSync(join(root, file), "utf8"))));
    expect(wrong).toEqual([]);
  });
});

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}
