import { visibleText } from "../approvals/index.ts";
import type { SignInAnswer } from "../edge/index.ts";
import { style, styleSource } from "./page-style.ts";

/** Text that became markup on purpose: everything else is escaped where it is put in. */
export interface Markup {
  readonly markup: string;
}

/** What is put in is text, whoever it came from: escaped, and with all that hides or turns its neighbours round made visible. */
export function html(parts: TemplateStringsArray, ...values: readonly (string | Markup)[]): Markup {
  const markup = parts.map((part, at) => {
    const value = values[at];
    if (value === undefined) return part;
    return part + (typeof value === "string" ? escaped(visibleText(value)) : value.markup);
  });
  return { markup: markup.join("") };
}

export const nothing: Markup = { markup: "" };

const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/**
 * A page without script, frames or anything from elsewhere. Where it has a form, `form-action` is left out: browsers hold to it each
 * address that the answer to the form leads to, and where a client sends them on once it has its answer nobody here can know.
 */
export function page(
  status: number,
  content: Markup,
  { hasForm = false, headers = [] }: { hasForm?: boolean; headers?: readonly string[] } = {},
): SignInAnswer {
  const text = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Signalbox: signing in</title>
<style>${style}</style>
</head>
<body>
<header>Signalbox</header>
<main>
${content.markup}
</main>
</body>
</html>
`;
  const policy = [
    "default-src 'none'",
    `style-src ${styleSource}`,
    ...(hasForm ? [] : ["form-action 'none'"]),
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join("; ");
  const own = Object.entries({
    "Content-Security-Policy": policy,
    // To others nothing; not "no-referrer", with which browsers would hide our own origin from us when the form is sent.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
  }).flat();
  return { status, contentType: "text/html; charset=utf-8", text, headers: [...own, ...headers] };
}
