import { expect, test } from "vitest";
import type { Banner } from "./banner.ts";
import { bannerText } from "./banner.ts";

const banner: Banner = {
  mcpUrl: "http://127.0.0.1:7070/mcp",
  token: "t0k",
  tokenNote: 'agent "dev"',
  signsIn: true,
  servers: [],
  data: "/here/.signalbox",
  log: null,
  notes: [],
  snippets: [],
  program: "npx signalbox",
  elsewhere: null,
};
const textOf = (more: Partial<Banner>) =>
  bannerText({ ...banner, ...more }, { paint: (_style, text) => text, width: null });

test("the commands that are named find the node by themselves, or are told where it is", () => {
  expect(textOf({})).toContain("npx signalbox status, npx signalbox tools ls, ");
  const elsewhere = textOf({ elsewhere: "/there" });
  expect(elsewhere).toContain("npx signalbox status --data /there, npx signalbox tools ls --data /there, ");
  expect(elsewhere).toContain("npx signalbox servers add --data /there, ");
});

test("signing in is spoken of where it is possible", () => {
  const way = "sign in with the token";
  expect(textOf({})).toContain(way);
  expect(textOf({ signsIn: false })).not.toContain(way);
  expect(textOf({ token: null })).not.toContain(way);
});
