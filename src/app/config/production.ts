import { isAbsolute, relative } from "node:path";
import type { Transport } from "../../registry/index.ts";
import type { Config } from "./config.ts";
import type { PostgresSettings } from "./postgres.ts";

/**
 * The settings that are comfortable for a try-out and unfit for production, each with what to do about it. `serve` refuses to
 * start while there is one.
 */
export function developmentDefaults(config: Config): readonly string[] {
  const found: string[] = [];
  const { given } = config;
  if (config.keys.file === null) {
    found.push(
      "keys.file: the key would lie beside the data it protects; name a file outside the data directory",
    );
  } else if (isInside(config.keys.file, config.data.directory)) {
    found.push("keys.file: lies inside data.directory, so a copy of the data includes its key");
  }
  for (const file of config.keys.otherFiles) {
    if (isInside(file, config.data.directory))
      found.push("keys.otherFiles: one lies inside data.directory, so a copy of the data includes its key");
  }
  if (!given.has("data.directory")) {
    found.push("data.directory: defaults to .signalbox beside the configuration; name the directory");
  }
  const { postgres } = config.data;
  if (postgres !== undefined) found.push(...postgresDefaults(postgres));
  if (config.policies.files.length === 0) {
    found.push("policies.files: names no policy, so every call would be denied");
  }
  const { allowedHosts, publicUrl } = config.listen;
  if (!isLoopback(config.listen.host) && allowedHosts.length === 0 && publicUrl === null) {
    found.push(
      `listen.allowedHosts: the node listens on ${config.listen.host}, but no host name is allowed; name the one clients use`,
    );
  }
  if (config.listen.allowedOrigins.includes("*")) {
    found.push("listen.allowedOrigins: * lets every page in every browser call this node; name the origins");
  }
  if (publicUrl !== null && publicUrl.startsWith("http:") && !isLoopback(new URL(publicUrl).hostname)) {
    found.push("listen.publicUrl: tokens would travel over http without encryption; use https");
  }
  for (const setting of config.literalSecrets) {
    found.push(
      `${setting}: a credential stands in the file; put it into the vault and refer to it with \${vault:name}`,
    );
  }
  for (const server of config.servers) {
    const { transport } = server;
    if (transport.kind !== "http" || !hasCredential(transport)) continue;
    const url = new URL(transport.url);
    if (url.protocol === "http:" && !isLoopback(url.hostname)) {
      found.push(`servers.${server.name}.url: headers would be sent over http without encryption; use https`);
    }
  }
  for (const { name, url } of config.approvals.webhooks) {
    const { protocol, hostname } = new URL(url);
    if (protocol === "http:" && !isLoopback(hostname)) {
      found.push(
        `approvals.webhooks.${name}.url: who wants what would be told over http without encryption; use https`,
      );
    }
  }
  for (const hook of config.hooks) {
    if (hook.kind !== "webhook") continue;
    const { protocol, hostname } = new URL(hook.url);
    if (protocol === "http:" && !isLoopback(hostname)) {
      found.push(
        `hooks.${hook.name}.url: who works on what would be told over http without encryption; use https`,
      );
    }
  }
  return found;
}

function postgresDefaults(postgres: PostgresSettings): readonly string[] {
  const found: string[] = [];
  const { host, url, tls } = postgres;
  const reached = host ?? (url === undefined ? "" : new URL(url).hostname);
  const mode = tls?.mode ?? "verify-full";
  if (mode !== "verify-full" && !isLoopback(reached)) {
    found.push(
      `data.postgres.tls.mode: with ${mode} anybody on the way could be the database; use verify-full, with caFile where it has an authority of its own`,
    );
  }
  if (postgres.hasLiteralPassword) {
    found.push(
      "data.postgres: a password stands in the file; refer to it with ${env:NAME}, or name a passwordFile",
    );
  }
  return found;
}

const hasCredential = ({ headers, auth = null }: Extract<Transport, { kind: "http" }>): boolean =>
  Object.keys(headers).length > 0 || auth !== null;

export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);

function isInside(file: string, directory: string): boolean {
  const way = relative(directory, file);
  return way !== "" && !way.startsWith("..") && !isAbsolute(way);
}
