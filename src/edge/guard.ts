import { isIPv6 } from "node:net";
import type { Refusal } from "../../contract/index.ts";
import { loopbackNames } from "./options.ts";

/**
 * Host and Origin checks against DNS rebinding (MCP 2026-07-28, basic/transports/streamable-http, "Security & Endpoint"): a web
 * page that makes its own name point at us sends that name as Host, and its origin as Origin. Ports are not compared: a page
 * cannot choose another Host name by choosing a port.
 */
export class Guard {
  private readonly hostNames: ReadonlySet<string>;
  private readonly origins: ReadonlySet<string>;
  /** Host headers that passed, as they were spelt: a client sends the same one every time. Bounded: 64 names times ports. */
  private readonly passed = new Set<string>();

  constructor(options: {
    /** Where we listen. As an address it may be asked for: no page can make a name of its own out of it. */
    host: string;
    allowedHosts: readonly string[];
    allowedOrigins: readonly string[];
    publicUrl: string | null;
  }) {
    const names = [...loopbackNames, ...[options.host, ...options.allowedHosts].flatMap(namesOf)];
    const origins = options.allowedOrigins.map((origin) => origin.toLowerCase());
    if (options.publicUrl !== null) {
      const url = new URL(options.publicUrl);
      names.push(url.hostname.toLowerCase());
      origins.push(url.origin.toLowerCase());
    }
    this.hostNames = new Set(names);
    this.origins = new Set(origins);
  }

  /** null = may pass. */
  check(host: string | undefined, origin: string | undefined): Refusal | null {
    if (host === undefined || !this.isHostAllowed(host)) {
      return {
        code: "forbidden-origin",
        detail: "This Host name is not one of this server's; its operator names them in listen.allowedHosts.",
        evidence: { host },
      };
    }
    if (origin !== undefined && !this.isOriginAllowed(origin)) {
      return {
        code: "forbidden-origin",
        detail:
          "This Origin may not call this server; its operator names those that may in listen.allowedOrigins.",
        evidence: { origin },
      };
    }
    return null;
  }

  private isHostAllowed(host: string): boolean {
    if (this.passed.has(host)) return true;
    const name = hostName(host);
    if (name === null || !this.hostNames.has(name)) return false;
    if (this.passed.size < 64) this.passed.add(host);
    return true;
  }

  private isOriginAllowed(origin: string): boolean {
    const text = origin.toLowerCase();
    if (this.origins.has(text)) return true;
    const at = /^https?:\/\//.exec(text);
    if (at === null) return false;
    const name = hostName(text.slice(at[0].length));
    return name !== null && this.hostNames.has(name);
  }
}

/** Listening on every address names none. */
const everywhere: ReadonlySet<string> = new Set(["0.0.0.0", "[::]"]);

function namesOf(allowed: string): readonly string[] {
  const name = hostName(isIPv6(allowed) ? `[${allowed}]` : allowed);
  return name === null || everywhere.has(name) ? [] : [name];
}

/** `name`, `name:port`, `[v6]`, `[v6]:port`, and nothing else: no user, no path, no trailing dot. */
const hostForm = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::\d{1,5})?$/;

function hostName(host: string): string | null {
  return hostForm.exec(host.toLowerCase())?.[1] ?? null;
}
