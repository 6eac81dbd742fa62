import { ok } from "../base/index.ts";
import type { SignInRequest } from "../edge/index.ts";
import { fieldsMax } from "./bounds.ts";
import type { Judged } from "./problem.ts";
import { problem } from "./problem.ts";

/** What a query or a form says, each name once. */
export type Fields = ReadonlyMap<string, string>;

/**
 * OAuth 2.1 sections 3.1 and 3.2: a name that stands twice is refused, since two readers could take two values; what has no value
 * counts as left out.
 */
export function readFields(text: string): Judged<Fields> {
  const fields = new Map<string, string>();
  const names = new Set<string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (names.has(name)) return problem("invalid_request", "A parameter stands twice.");
    if (names.size >= fieldsMax) return problem("invalid_request", "There are too many parameters.");
    names.add(name);
    if (value !== "") fields.set(name, value);
  }
  return ok(fields);
}

/** Whether the body is a form, as pages and clients send one. */
export const isForm = ({ headers }: SignInRequest): boolean =>
  /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(headers["content-type"] ?? "");
