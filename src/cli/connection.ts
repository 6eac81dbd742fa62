import type { ConnectionFile, Environment } from "../app/index.ts";
import { findConnectionFile } from "../app/command-line.ts";
import { Stop, exitCodes, usage } from "./exit.ts";

/** Options that say which node is meant and who asks. */
export interface ConnectionOptions {
  readonly url?: string;
  readonly token?: string;
  readonly data?: string;
}

export interface Connection {
  readonly url: string;
  readonly token: string;
  /** For acts on the installation; null = `token` serves for those too. */
  readonly systemToken: string | null;
}

/**
 * The node and the key to use: what the command says, then SIGNALBOX_URL and SIGNALBOX_TOKEN, then what a node left on this machine
 * (`.signalbox/cli.json`, looked for upwards). A key that was left for one address is never sent to another.
 */
export function connectionFor(options: ConnectionOptions, environment: Environment): Connection {
  const { variables } = environment;
  const given = options.url ?? nonEmpty(variables["SIGNALBOX_URL"]);
  const token = options.token ?? nonEmpty(variables["SIGNALBOX_TOKEN"]);
  const url = given === null ? null : checkedUrl(given);
  if (url !== null && token !== null) return { url, token, systemToken: null };
  const left = leftOnThisMachine(options, environment);
  if (left === null) {
    throw new Stop(
      "no-connection",
      url === null ? "No node is known here." : `There is no token for ${url}.`,
      {
        exitCode: exitCodes.usage,
        hint:
          url === null
            ? "Start one with `signalbox dev`, or name it: --data and its data directory, or --url and SIGNALBOX_TOKEN (or --token)."
            : "Give one with SIGNALBOX_TOKEN or --token.",
      },
    );
  }
  if (url !== null && url !== checkedUrl(left.url)) {
    throw new Stop(
      "no-connection",
      `There is no token for ${url}; the one on this machine is for ${left.url}.`,
      {
        exitCode: exitCodes.usage,
        hint: "Give one with SIGNALBOX_TOKEN or --token.",
      },
    );
  }
  return {
    url: url ?? checkedUrl(left.url),
    token: token ?? left.token,
    systemToken: token === null ? left.systemToken : null,
  };
}

function leftOnThisMachine(options: ConnectionOptions, environment: Environment): ConnectionFile | null {
  const found = findConnectionFile(environment, options.data ?? null);
  switch (found.kind) {
    case "found":
      return found.connection;
    case "none":
      return null;
    case "unsafe":
      throw new Stop("unsafe-connection-file", `${found.file} is not used: ${found.why}.`, {
        exitCode: exitCodes.refused,
        hint: `If it is yours: chmod 600 ${found.file}`,
      });
  }
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw usage(`"${text}" is not an http or https address.`);
  if (url.username !== "" || url.password !== "")
    throw usage("The address carries a password.", "Give the token with SIGNALBOX_TOKEN or --token.");
  return `${url.origin}${url.pathname.replace(/\/(?:mcp|api\/v1)?\/?$/, "")}`;
}

const nonEmpty = (text: string | undefined): string | null =>
  text === undefined || text === "" ? null : text;
