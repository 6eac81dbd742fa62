import { readFileSync } from "node:fs";
import { ownFile } from "../base/index.ts";

interface PageFile {
  readonly contentType: string;
  readonly text: string;
}

const contentTypes = {
  "approval.html": "text/html; charset=utf-8",
  "approval.css": "text/css; charset=utf-8",
  "approval.js": "text/javascript; charset=utf-8",
  "icon.svg": "image/svg+xml; charset=utf-8",
} as const;
type FileName = keyof typeof contentTypes;

const read = new Map<FileName, PageFile>();

/** What stands at this path; null = nothing. The page is the same for all approvals: what it is about, its script asks the API. */
export function approvalFile(path: string): PageFile | null {
  const name = /^\/approvals\/([a-z0-9_.]{1,64})$/.exec(path)?.[1];
  if (name === undefined) return null;
  if (/^apr_[0-9a-z]+$/.test(name)) return file("approval.html");
  return name !== "approval.html" && Object.hasOwn(contentTypes, name) ? file(name as FileName) : null;
}

function file(name: FileName): PageFile {
  const known = read.get(name);
  if (known !== undefined) return known;
  const text = readFileSync(ownFile(`src/edge/pages/${name}`), "utf8");
  const found = { contentType: contentTypes[name], text };
  read.set(name, found);
  return found;
}

/**
 * Nothing but these files runs, is shown or is asked, nobody may frame it, and its address goes nowhere. With trusted types required
 * and none allowed, the script cannot turn a text into markup even by mistake.
 */
export const approvalHeaders: readonly string[] = Object.entries({
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; "),
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
}).flat();
