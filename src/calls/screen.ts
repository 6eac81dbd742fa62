import { removeKnownSecrets, removeKnownSecretsFromJson } from "../screening/index.ts";
import type { House } from "./house.ts";
import { withheldText, withoutOurKeys } from "./result-text.ts";
import type { Executed, Reply, Screened } from "./stages.ts";
import type { Station } from "./station.ts";

/** A server's own words about a failure; longer ones help nobody. */
const detailCharsMax = 1_000;

/**
 * What of the answer may the caller see? Cannot refuse any more, only withhold: an answer that breaks the tool's own output
 * schema, one that cannot be carried, and known credentials wherever they stand in the text.
 */
export const screen: Station<Executed, Screened> = {
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
  return { ...reply, detail: removeKnownSecrets(reply.detail, secrets).text.slice(0, detailCharsMax) };
}

function textOf(call: Executed, reply: Reply, house: House): string | null {
  switch (reply.kind) {
    case "failed":
    case "unknown":
      return null;
    case "withheld":
      return withheldText(reply.code, reply.detail);
    case "answered": {
      const violation = outputViolation(call, reply, house);
      if (violation === null) return withoutOurKeys(reply.raw, reply.value);
      house.registry.reportToolHealth(call.tool, {
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

function outputViolation(
  call: Executed,
  reply: Extract<Reply, { kind: "answered" }>,
  house: House,
): string | null {
  if (!isObjectOrAbsent(reply.value["_meta"])) return "its _meta is not an object";
  const schema = call.tool.definition.outputSchema;
  if (schema === undefined || reply.isError) return null;
  const validator = house.validators.of(call.tool.pin, "output", schema);
  if (typeof validator === "string") return null; // an output schema that does not compile binds nobody
  const structured = reply.value["structuredContent"];
  if (structured === undefined) return "structuredContent is missing";
  return validator(structured);
}

const isObjectOrAbsent = (value: unknown): boolean =>
  value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value));
