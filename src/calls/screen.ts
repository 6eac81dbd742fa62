import { removeKnownSecretsFromJson } from "../screening/index.ts";
import type { House } from "./house.ts";
import { withheldText } from "./result-text.ts";
import type { Executed, Reply, Screened } from "./stages.ts";
import type { Station } from "./station.ts";

/**
 * What of the answer may the caller see? Cannot refuse any more, only withhold: an answer that breaks the tool's own output
 * schema, one that cannot be carried, and known credentials wherever they stand in the text.
 */
export const screen: Station<Executed, Screened> = {
  name: "screen",
  visit(call, house) {
    return Object.assign(call, { seen: seenOf(call, call.reply, house) });
  },
};

function seenOf(call: Executed, reply: Reply, house: House): string | null {
  switch (reply.kind) {
    case "failed":
    case "unknown":
      return null;
    case "withheld":
      return withheldText(reply.code, reply.detail);
    case "answered": {
      const violation = outputViolation(call, reply, house);
      if (violation !== null) {
        house.registry.reportToolHealth(call.tool, {
          state: "degraded",
          since: house.clock.wall(),
          cause: "correctness",
          reason: `its result broke its own output schema: ${violation}`,
        });
        return withheldText("result-invalid", violation);
      }
      const { text } = removeKnownSecretsFromJson(reply.raw, house.vault.knownSecrets(call.principal.tenant));
      return text.startsWith("{") || text === reply.raw
        ? text
        : withheldText("result-invalid", "all of it was a credential");
    }
  }
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
