import { removeKnownSecrets, removeKnownSecretsFromJson } from "../screening/index.ts";
import type { Subject } from "../registry/index.ts";
import type { JsonRpcError } from "../upstream/index.ts";
import type { House } from "./house.ts";
import { withheldText, withoutOurKeys } from "./result-text.ts";
import type { Ended, Reply, Screened } from "./stages.ts";
import type { Station } from "./station.ts";

/** A server's own words about a failure; longer ones help nobody. */
const detailCharsMax = 1_000;

/**
 * What of the answer may the caller see? Cannot refuse any more, only withhold: an answer that breaks the tool's own output
 * schema, one that cannot be carried, and known credentials wherever they stand in the text.
 */
export const screen: Station<Ended, Screened> = {
  name: "screen",
  visit(call, house) {
    const secrets = house.vault.knownSecrets(call.principal.tenant);
    const reply = withoutSecrets(call.reply, secrets);
    const text = textOf(call, reply, house);
    return Object.assign(call, { reply, seen: text === null ? null : cleaned(text, secrets) });
  },
};

/** What goes wrong is told in words that can come from the server; `evidence` is sealed with the record. */
function withoutSecrets(reply: Reply, secrets: readonly string[]): Reply {
  if (reply.kind === "answered") return reply;
  const { rpc } = reply;
  const clean = rpc === undefined ? null : removeKnownSecretsFromJson(JSON.stringify(rpc), secrets).text;
  return {
    ...reply,
    ...(clean?.startsWith("{") === true ? { rpc: JSON.parse(clean) as JsonRpcError } : {}),
    detail: removeKnownSecrets(reply.detail, secrets).text.slice(0, detailCharsMax),
  };
}

function textOf(call: Ended, reply: Reply, house: House): string | null {
  switch (reply.kind) {
    case "failed":
    case "unknown":
      return null;
    case "withheld":
      return isTool(call) ? withheldText(reply.code, reply.detail) : null;
    case "answered": {
      const violation = outputViolation(call.subject, reply.value, reply.isError, house);
      if (violation === null) {
        if (call.subject.kind === "tool" && !reply.isError)
          house.registry.reportToolHealth(call.subject, { state: "healthy", since: house.clock.wall() });
        return withoutOurKeys(reply.raw, reply.value);
      }
      if (call.subject.kind !== "tool") return null;
      house.registry.reportToolHealth(call.subject, {
        state: "degraded",
        since: house.clock.wall(),
        cause: "correctness",
        reason: `its result broke its own output schema: ${violation}`,
      });
      return withheldText("result-invalid", violation);
    }
  }
}

function cleaned(text: string, secrets: readonly string[]): string {
  const clean = removeKnownSecretsFromJson(text, secrets).text;
  return clean === text || clean.trimStart().startsWith("{")
    ? clean
    : withheldText("result-invalid", "all of it was a credential");
}

/** What is wrong with a result by the tool's own output schema; null = nothing. */
export function outputViolation(
  subject: Subject,
  value: Readonly<Record<string, unknown>>,
  isError: boolean,
  house: House,
): string | null {
  if (!isObjectOrAbsent(value["_meta"])) return "its _meta is not an object";
  if (subject.kind !== "tool") return null;
  const schema = subject.definition.outputSchema;
  if (schema === undefined || isError) return null;
  const validator = house.validators.of(subject.pin, "output", schema);
  if (typeof validator === "string") return null; // an output schema that does not compile binds nobody
  const structured = value["structuredContent"];
  if (structured === undefined) return "structuredContent is missing";
  return validator(structured);
}

const isTool = (call: Ended): boolean => call.subject.kind === "tool";

const isObjectOrAbsent = (value: unknown): boolean =>
  value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value));
