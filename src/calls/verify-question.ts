import { codes } from "../../contract/index.ts";
import type { Principal } from "../identity/index.ts";
import type { OpenCall } from "../ledger/index.ts";
import type { Tool } from "../registry/index.ts";
import type { AskedAbout, CallAnswer } from "./call.ts";
import { entryId } from "./entries.ts";
import type { House } from "./house.ts";

type JsonObject = Readonly<Record<string, unknown>>;

export interface Question {
  /** The tool whose call is in doubt. */
  readonly subject: Tool;
  readonly verifyTool: Tool;
  readonly arguments: JsonObject;
  readonly principal: Principal;
  readonly about: AskedAbout;
  /** Of the call in doubt; what is said of it is committed to with it. */
  readonly salt: Uint8Array;
}

/** What is asked about a call of which nobody knows whether it happened. A text = nothing can be asked, and why. */
export async function questionAbout(open: OpenCall, house: House): Promise<Question | string> {
  const { registry, ledger } = house;
  const subject = registry.toolById(open.tenant, open.subject);
  const principal = house.serviceOf(open.tenant);
  if (subject === null || principal === null) return "its tool was removed";
  if (subject.class.kind !== "verifiable") return `${subject.exposedName} is no longer verifiable`;
  const { verifyTool: name, verifyArguments } = subject.class;
  const verifyTool = registry.toolById(open.tenant, `${subject.server.id}/${name}`);
  if (verifyTool === null) return `its server has no tool "${name}"`;
  if (verifyTool.class.kind !== "read") return `"${name}" is not of class read`;
  const intent = await ledger.entry(open.tenant, open.intentEntry);
  const opened = intent === null ? null : await ledger.payload(intent);
  if (intent === null || intent.sealed === null || opened === null || opened.erased)
    return "its arguments are not on record any more";
  const given = JSON.parse(opened.payload.arguments ?? "{}") as JsonObject; // as `recordIntent` wrote them
  return {
    subject,
    verifyTool,
    arguments: verifyArguments === undefined ? given : only(given, verifyArguments),
    principal,
    about: {
      call: open.call,
      outcomeEntry: entryId(open.call, 1),
      sealedUnder: intent.sealed.scope,
    },
    salt: Buffer.from(opened.payload.salt ?? "", "base64"),
  };
}

const only = (given: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(names.filter((name) => Object.hasOwn(given, name)).map((name) => [name, given[name]]));

/** `passes`: asking again may bring an answer. */
export type Verdict =
  | { readonly kind: "happened"; readonly result: JsonObject | null }
  | { readonly kind: "did-not-happen" }
  | { readonly kind: "no-answer"; readonly why: string; readonly passes: boolean };

/**
 * An answer is `{"happened": true}`, which may have the call's `result` beside it, or `{"happened": false}`, as structured content and
 * nothing else. Whatever else came is none: on a guess nobody may be paid twice.
 */
export function verdictOf(answer: CallAnswer): Verdict {
  if (answer.kind === "refused") {
    const { text, cause } = codes[answer.refusal.code];
    // A policy or a misfit does not pass by itself.
    const passes = cause === "dependency" || cause === "overload";
    return { kind: "no-answer", why: `${text} ${answer.refusal.detail}`, passes };
  }
  if (answer.kind !== "result") return none(`it answered with ${answer.kind}`);
  const value = JSON.parse(answer.text) as JsonObject; // our own text
  if (value["isError"] === true) return { kind: "no-answer", why: "it answered with an error", passes: true };
  const said = value["structuredContent"];
  if (!isObject(said) || typeof said["happened"] !== "boolean")
    return none('its structured content has no "happened" that is true or false');
  const { happened, result, ...rest } = said;
  const [other] = Object.keys(rest);
  if (other !== undefined)
    return none(`its structured content also has ${JSON.stringify(other.slice(0, 64))}`);
  if (happened) {
    if (result === undefined) return { kind: "happened", result: null };
    return isResult(result) ? { kind: "happened", result } : none("the result it gives is not one of a tool");
  }
  return result === undefined ? { kind: "did-not-happen" } : none("it gives a result of what did not happen");
}

const none = (why: string): Verdict => ({ kind: "no-answer", why, passes: false });

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A finished one: who is given it must not take it for a question or a task. */
const isResult = (value: unknown): value is JsonObject =>
  isObject(value) && Array.isArray(value["content"]) && (value["resultType"] ?? "complete") === "complete";
