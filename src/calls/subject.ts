import type { Result } from "../base/index.ts";
import { canonicalJson, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Refusal } from "../../contract/index.ts";
import { metaKeys } from "../../contract/index.ts";
import type { PolicyAction, PolicyResource } from "../policy/index.ts";
import type { Registry, Subject } from "../registry/index.ts";
import type { CallInput } from "./call.ts";

type Asked = Pick<CallInput, "method" | "name" | "meta" | "profile">;

/** What a call acts on: the tool, resource or prompt of that name in the caller's tenant. */
export function subjectOf(principal: Principal, asked: Asked, registry: Registry): Result<Subject> {
  const { tenant } = principal;
  const { name, profile } = asked;
  switch (asked.method) {
    case "tools/call":
      return (
        found(registry.toolNamed(tenant, name)) ??
        missing("unknown-tool", name, "list the tools to see what there is")
      );
    case "prompts/get":
      return found(registry.promptNamed(tenant, name, profile)) ?? missing("unknown-prompt", name, "");
    case "resources/read":
      return (
        found(registry.resourceAt(tenant, name, serverMeant(asked.meta), profile)) ??
        refuse(missingResource(name))
      );
    case "skills/get":
    case "resources/directory/read": {
      const what = asked.method === "skills/get" ? "skill" : "directory";
      return (
        found(registry.skillAt(tenant, name, what, serverMeant(asked.meta), profile)) ??
        refuse(missingResource(name))
      );
    }
    case "completion/complete":
      // Exposed names of prompts have no colon, and a URI template has one.
      return (
        found(registry.promptNamed(tenant, name, profile)) ??
        found(registry.templateAt(tenant, name, profile)) ??
        missing("unknown-prompt", name, "it is no URI template of a server either")
      );
  }
}

/** The action and the entity as policies name them. Skills and directories are read, like the files they are made of. */
export function asPolicySees(
  subject: Subject,
  method: CallInput["method"] | "resources/subscribe",
): { readonly action: PolicyAction; readonly resource: PolicyResource } {
  const type = ({ tool: "Tool", resource: "Resource", prompt: "Prompt" } as const)[subject.kind];
  return { action: actions[method], resource: { type, id: subject.id } };
}

/** RFC 8785 text of what goes to the server besides the name: what is digested is what is sent. */
export function argumentsTextOf(
  subject: Subject,
  method: CallInput["method"],
  given: CallInput["arguments"],
): string {
  if (!isNamedInArguments(method)) return canonicalJson(given);
  if (method !== "completion/complete") return canonicalJson({ ...given, uri: subject.name });
  const ref =
    subject.kind === "prompt"
      ? { type: "ref/prompt", name: subject.name }
      : { type: "ref/resource", uri: subject.name };
  return canonicalJson({ ...given, ref });
}

const actions = {
  "tools/call": "call",
  "resources/read": "read",
  "resources/subscribe": "subscribe",
  "prompts/get": "get",
  "completion/complete": "complete",
  "skills/get": "read",
  "resources/directory/read": "read",
} as const;

/** Requests without a name of their own on the wire, or a header for it: what they are about stands among their arguments. */
export const isNamedInArguments = (method: CallInput["method"]): boolean => namedInArguments.has(method);

const namedInArguments: ReadonlySet<CallInput["method"]> = new Set([
  "completion/complete",
  "skills/get",
  "resources/directory/read",
]);

/** Where more than one server could be meant, the caller says which. */
export function serverMeant(meta: CallInput["meta"]): string | null {
  const server = meta[metaKeys.server];
  return typeof server === "string" ? server : null;
}

const found = (subject: Subject | null): Result<Subject> | null => (subject === null ? null : ok(subject));

const missing = (code: "unknown-tool" | "unknown-prompt", name: string, detail: string): Result<never> =>
  refuse({ code, detail, evidence: { name } });

/** MCP 2026-07-28, server/resources: the error names the URI. */
export const missingResource = (uri: string): Refusal => ({
  code: "unknown-resource",
  detail: `list the resources to see what there is, or name its server in _meta["${metaKeys.server}"]`,
  evidence: { uri },
});
