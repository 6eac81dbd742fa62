import { sha256Hex } from "../base/index.ts";

/** A server's name is the prefix of its tools, so it holds no underscore: `<server>__<tool>` reads in one way only. */
export const serverNamePattern = /^[a-z0-9](?:-?[a-z0-9])*$/;
/** 24 leaves at least 38 of 64 characters for the tool's own name. */
export const serverNameMax = 24;
/** What the strictest model APIs accept as a function name. */
export const exposedNameMax = 64;
/** Our own tools live under this name. */
export const reservedServerName = "signalbox";

/**
 * The alias agents see. `serverName` null = no prefix (one single upstream). Characters outside `[A-Za-z0-9_-]` become `_`; a
 * name so changed or too long is cut and ends in `_` and 8 hex digits of SHA-256 of the upstream name, so that two names that
 * are cut alike stay apart.
 */
export function exposedNameOf(serverName: string | null, toolName: string): string {
  const prefix = serverName === null ? "" : `${serverName}__`;
  const room = exposedNameMax - prefix.length;
  const clean = toolName.replace(/[^A-Za-z0-9_-]/gu, "_");
  if (clean === toolName && clean.length <= room) return prefix + clean;
  const tail = `_${sha256Hex(toolName).slice(0, 8)}`;
  return prefix + clean.slice(0, room - tail.length) + tail;
}

/**
 * Equal for names a person may take for one another: compatibility forms, case, invisible characters, and the Cyrillic and
 * Greek letters that look like Latin ones (Unicode UTS #39 calls this a skeleton; this is the part of it that matters for
 * names that are read as Latin).
 */
export function lookalikeKey(name: string): string {
  const folded = name
    .normalize("NFKC")
    .toLowerCase()
    .normalize("NFKC")
    .replace(/\p{Default_Ignorable_Code_Point}/gu, "");
  let key = "";
  for (const character of folded) key += latinTwins.get(character) ?? character;
  return key;
}

const latinTwins = new Map(
  Object.entries({
    а: "a",
    в: "b",
    ѵ: "v",
    г: "r",
    ԁ: "d",
    е: "e",
    ѕ: "s",
    і: "i",
    ј: "j",
    к: "k",
    ӏ: "l",
    м: "m",
    н: "h",
    о: "o",
    р: "p",
    ԛ: "q",
    с: "c",
    т: "t",
    у: "y",
    ԝ: "w",
    х: "x",
    һ: "h",
    α: "a",
    ε: "e",
    ι: "i",
    κ: "k",
    ν: "v",
    ο: "o",
    ρ: "p",
    τ: "t",
    υ: "u",
    χ: "x",
    γ: "y",
    ı: "i",
    ɩ: "i",
    ɑ: "a",
    ɡ: "g",
  }),
);
