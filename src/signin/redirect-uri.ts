import { redirectUriCharsMax } from "./bounds.ts";

/** Where a code may be sent: who could take it there. */
export type Destination =
  /** `host` with its port, unless that is the usual one. Any program of this machine can listen there. */
  | { readonly kind: "this-machine"; readonly host: string }
  | { readonly kind: "site"; readonly host: string }
  /** Whichever program this machine opens such links with. */
  | { readonly kind: "program"; readonly scheme: string };

/**
 * Schemes that a browser acts on by itself, that open what is on the machine, or that hand text to a program which runs it: none of
 * them is how a client is called back.
 */
const forbiddenSchemes: ReadonlySet<string> = new Set(
  (
    "javascript data file blob filesystem vbscript about view-source jar resource res chrome chrome-extension moz-extension edge " +
    "ws wss ftp ftps sftp ssh git+ssh svn+ssh telnet ldap ldaps smb nfs dav mailto tel sms intent android-app search search-ms hcp shell " +
    "mhtml urn microsoft-edge googlechrome googlechromes applescript itms-services"
  ).split(" "),
);
/** Windows' own: its settings, its installers, its Office, and what comes next. */
const windowsScheme = "ms-";

/**
 * What an answer brings. Where one of them stands in the address before, a client that reads the first of two takes it for ours: with
 * `iss` a server that it talks to as well would have our codes sent to itself (RFC 9207, mix-up).
 */
const answerParameters = ["code", "state", "iss", "error", "error_description"] as const;

/**
 * OAuth 2.1 sections 2.3 and 8.4: https; http to this machine; a scheme of the client's own (`cursor://…`). Null = none of these. Only what
 * reads the same to everybody: no fragment, no user, no blanks, nothing beyond ASCII.
 */
export function destinationOf(uri: string): Destination | null {
  if (uri.length > redirectUriCharsMax || !/^[\x21-\x7e]+$/.test(uri) || /[#\\"'<>`{}|^]/.test(uri))
    return null;
  if (!URL.canParse(uri)) return null;
  const { protocol, username, password, host, hostname, searchParams } = new URL(uri);
  if (username !== "" || password !== "") return null;
  if (answerParameters.some((name) => searchParams.has(name))) return null;
  // Parsers let signs into a host that no name has, and that mean something where addresses stand in lists.
  if (!/^(?:\[[0-9a-f:.]+\]|[a-z0-9._-]*)$/i.test(hostname)) return null;
  switch (protocol) {
    case "https:":
      if (hostWritten(uri) !== hostname) return null;
      return { kind: isLoopback(hostname) ? "this-machine" : "site", host };
    case "http:":
      return isLoopback(hostname) && hostWritten(uri) === hostname ? { kind: "this-machine", host } : null;
    default: {
      const scheme = protocol.slice(0, -1);
      const isOwn = /^[a-z][a-z0-9+.-]{1,63}$/.test(scheme) && !isForbidden(scheme);
      return isOwn && uri.slice(protocol.length).startsWith("/") ? { kind: "program", scheme } : null;
    }
  }
}

const isForbidden = (scheme: string): boolean =>
  forbiddenSchemes.has(scheme) || scheme.startsWith(windowsScheme);

/** Exactly, but for the port on this machine, which a program takes as it finds it free (RFC 8252 section 7.3). */
export function isRegistered(uri: string, registered: readonly string[]): boolean {
  if (registered.includes(uri)) return true;
  const asked = withoutPort(uri);
  return asked !== null && registered.some((each) => withoutPort(each) === asked);
}

/** With these behind it; what stands there stays as it is written. */
export function withParameters(uri: string, parameters: Readonly<Record<string, string>>): string {
  return `${uri}${uri.includes("?") ? "&" : "?"}${new URLSearchParams(parameters).toString()}`;
}

/** Plain http to these never leaves the machine. */
const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";

/** Null = not written as a host is. `https:host`, `https:///host`, `127.1` and `:@host` parse too, and mean other things elsewhere. */
const hostWritten = (uri: string): string | null =>
  /^https?:\/\/(\[[^\]/?]+\]|[^:/?]+)(?::\d+)?(?:[/?]|$)/.exec(uri)?.[1]?.toLowerCase() ?? null;

/** All else to the letter, but for the slash that is there with no path as well. Null = not one on this machine over http. */
function withoutPort(uri: string): string | null {
  if (destinationOf(uri)?.kind !== "this-machine") return null;
  const parts = /^http:\/\/(\[::1\]|[^:/?]+)(?::\d+)?(.*)$/.exec(uri);
  return parts === null ? null : `${parts[1]}${parts[2] || "/"}`;
}
