import type { Code } from "../../contract/index.ts";
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
    const shown = shownOf(call, reply, house);
    return Object.assign(call, { reply, ...cleaned(shown, secrets) });
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

type Shown = Pick<Screened, "seen" | "withheld">;

const nothing: Shown = { seen: null, withheld: null };

function shownOf(call: Ended, reply: Reply, house: House): Shown {
  switch (reply.kind) {
    case "failed":
    case "unknown":
      return nothing;
    case "withheld":
      return withheldFrom(call, reply.code, reply.detail);
    case "answered": {
      const violation = outputViolation(call.subject, reply.value, reply.isError, house);
      if (violation === null) {
        if (call.subject.kind === "tool" && !reply.isError)
          house.registry.reportToolHealth(call.subject, { state: "healthy", since: house.clock.wall() });
        return { seen: withoutOurKeys(reply.raw, reply.value), withheld: null };
      }
      if (call.subject.kind !== "tool") return withheldFrom(call, "result-invalid", violation);
      house.registry.reportToolHealth(call.subject, {
        state: "degraded",
        since: house.clock.wall(),
        cause: "correctness",
        reason: `its result broke its own output schema: ${violation}`,
      });
      return withheldFrom(call, "result-invalid", violation);
    }
  }
}

/** Only a tool has an answer of its own kind that says so. */
const withheldFrom = (call: Ended, code: Code, detail: string): Shown => ({
  seen: isTool(call) ? withheldText(code, detail) : null,
  withheld: code,
});

function cleaned(shown: Shown, secrets: readonly string[]): Shown {
  if (shown.seen === null) return shown;
  const clean = removeKnownSecretsFromJson(shown.seen, secrets).text;
  if (clean === shown.seen) return shown;
  return clean.trimStart().startsWith("{")
    ? { ...shown, seen: clean }
    : { seen: withheldText("result-invalid", "all of it was a credential"), withheld: "result-invalid" };
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
