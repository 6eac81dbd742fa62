import type { ServerResponse } from "node:http";
import { callbackPath } from "../upstream/index.ts";

/** What comes back to us when the person confirms. */
const carried = ["state", "code", "iss"] as const;

/** A page without script, style or anything from elsewhere. With `fields` it asks for the confirmation. */
export function page(
  response: ServerResponse,
  status: number,
  text: string,
  fields: URLSearchParams | null = null,
): void {
  if (response.destroyed || response.headersSent) return;
  const body = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Signalbox: authorization</title>
<h1>Signalbox</h1>
<p>${escaped(text)}</p>
${fields === null ? "" : formOf(fields)}</html>
`;
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    // The address holds the code. Not "no-referrer": browsers then hide our own origin from us when the form is sent.
    "referrer-policy": "same-origin",
    "content-security-policy":
      "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}

function formOf(fields: URLSearchParams): string {
  const hidden = carried
    .map((name) => [name, fields.get(name)] as const)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value ?? "")}">`)
    .join("\n");
  return `<form method="post" action="${callbackPath}">
${hidden}
<p><label>The code that your terminal shows: <input name="confirmation" autocomplete="off" autofocus required></label></p>
<p>If you did not start this, or do not have the code, close this window.</p>
<p><button>Connect</button></p>
</form>
`;
}

const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
