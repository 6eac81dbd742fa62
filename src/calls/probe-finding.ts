import type { Code } from "../../contract/index.ts";
import { codes, metaKeys } from "../../contract/index.ts";
import type { HealthCause } from "../registry/index.ts";
import type { CallAnswer } from "./call.ts";

/**
 *  well    it answered
 *  flawed  it answered, with what cannot be passed on: as after a call of an agent, it takes calls with its flaw
 *  ill     it said that it cannot, or did not answer
 *  unmade  nobody asked it, so nothing is known: policy forbids it, its arguments do not fit, the node stops
 */
export type Finding =
  | { readonly kind: "well" }
  | { readonly kind: "flawed" | "ill"; readonly cause: HealthCause; readonly reason: string }
  | { readonly kind: "unmade"; readonly reason: string };

type JsonObject = Readonly<Record<string, unknown>>;

/** What comes of a call whose bytes may have left; every other code is ours. */
const askedOf: Partial<Record<Code, HealthCause>> = {
  "deadline-exceeded": "dependency",
  "upstream-lost": "dependency",
  "upstream-rejected": "dependency",
  "upstream-garbage": "correctness",
  "result-invalid": "correctness",
  "result-too-large": "correctness",
};

/** What the answer to a probe says of its tool. The words of the tool are cleared of known credentials, as in every answer. */
export function findingOf(answer: CallAnswer): Finding {
  switch (answer.kind) {
    case "result":
      return findingOfResult(JSON.parse(answer.text) as JsonObject); // our own text
    case "refused": {
      const { code, detail } = answer.refusal;
      const cause = askedOf[code];
      const reason = wordsOf(code, detail);
      return cause === undefined ? { kind: "unmade", reason } : { kind: "ill", cause, reason };
    }
    case "input-required":
    case "task":
      return { kind: "unmade", reason: `it answered a probe with ${answer.kind}, which is no end` };
  }
}

function findingOfResult(value: JsonObject): Finding {
  if (value["isError"] !== true) return { kind: "well" };
  const meta = value["_meta"];
  const withheld = isObject(meta) ? meta[metaKeys.refusal] : undefined;
  // Only we can have said so: our keys are taken out of what servers answer.
  if (isObject(withheld)) {
    const code = withheld["code"] as Code;
    return { kind: "flawed", cause: "correctness", reason: wordsOf(code, String(withheld["detail"])) };
  }
  const said = textOf(value["content"]);
  const reason = `it answered a probe with an error${said === "" ? "" : `: ${said}`}`;
  return { kind: "ill", cause: "dependency", reason };
}

const wordsOf = (code: Code, detail: string): string => `${codes[code].text} ${detail}`.trim();

function textOf(content: unknown): string {
  if (!Array.isArray(content)) return "";
  const texts = content.flatMap((part: unknown) =>
    isObject(part) && typeof part["text"] === "string" ? [part["text"]] : [],
  );
  return texts.join(" ").trim();
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
