import type { ArgumentType } from "./argument-type.ts";
import { noArguments } from "./argument-type.ts";
import type { SchemaJson, Type, TypeOfAttribute } from "./cedar.ts";
import type { ContextReads } from "./reads.ts";
import { readsBelow } from "./reads.ts";

type Attributes = Record<string, TypeOfAttribute<string>>;

const entity = (name: string): Type<string> => ({ type: "Entity", name });
const setOf = (element: Type<string>): Type<string> => ({ type: "Set", element });
const record = (attributes: Attributes): Type<string> => ({ type: "Record", attributes });
const text: Type<string> = { type: "String" };
const principals = ["Agent", "Person", "Service"];

/**
 * The Cedar schema that policies are validated against. Cedar types the context per action, not per resource, so arguments are
 * typed for one tool at a time; of `adminActions`, those that the policies tell apart are enough. Only what is read is declared.
 */
export function cedarSchema(
  args: ArgumentType,
  reads: ContextReads | null,
  adminActions: Iterable<string>,
): SchemaJson<string> {
  const readsArgs = readsBelow(reads, "args");
  const typed = readsArgs === null ? record({}) : (cedarType(args, readsArgs) ?? record({}));
  const untyped = cedarType(noArguments, { whole: true, children: new Map() }) ?? record({});
  const action = (resourceTypes: string[], argsType: Type<string>, memberOf: string[] = []) => ({
    appliesTo: { principalTypes: principals, resourceTypes, context: contextType(argsType) },
    memberOf: memberOf.map((id) => ({ id })),
  });
  const actions: SchemaJson<string>[string]["actions"] = {
    call: action(["Tool"], typed),
    read: action(["Resource"], untyped),
    get: action(["Prompt"], untyped),
    complete: action(["Prompt", "Resource"], untyped),
    subscribe: action(["Resource", "Server"], untyped),
    admin: action(["Tenant"], untyped),
  };
  for (const id of adminActions) {
    for (const group of adminGroups(id)) actions[group] ??= action(["Tenant"], untyped, adminGroups(group));
    actions[id] ??= action(["Tenant"], untyped, adminGroups(id));
  }
  return { "": { entityTypes: entityTypes(), actions } };
}

/** `admin.agents.create` is in `admin.agents` and `admin`. */
export function adminGroups(action: string): string[] {
  const parts = action.split(".");
  return parts[0] === "admin" ? parts.slice(1).map((_, at) => parts.slice(0, at + 1).join(".")) : [];
}

function entityTypes(): SchemaJson<string>[string]["entityTypes"] {
  const named = record({ id: text, name: text });
  const principal = (self: string) => ({ memberOfTypes: ["Role", "Tenant", self], shape: named });
  const offered = (attributes: Attributes) => ({
    memberOfTypes: ["Server", "Tenant"],
    shape: record({ name: text, server: entity("Server"), ...attributes }),
  });
  return {
    Tenant: {},
    Role: {},
    Agent: principal("Agent"),
    Person: principal("Person"),
    Service: principal("Service"),
    Server: { memberOfTypes: ["Tenant"], shape: record({ name: text }) },
    Tool: offered({ class: text }),
    Resource: offered({}),
    Prompt: offered({}),
  };
}

function contextType(args: Type<string>): Type<string> {
  const run = record({
    name: text,
    owner: text,
    labels: setOf(text),
    tools: { ...setOf(entity("Tool")), required: false },
  });
  const chain = record({
    depth: { type: "Long" },
    agents: setOf(entity("Agent")),
    people: setOf(entity("Person")),
    services: setOf(entity("Service")),
  });
  return record({ args, run: { ...run, required: false }, chain });
}

/** null = has no type, so it is not declared. */
function cedarType(type: ArgumentType, reads: ContextReads): Type<string> | null {
  switch (type.kind) {
    case "long":
      return { type: "Long" };
    case "decimal":
      return { type: "Extension", name: "decimal" };
    case "string":
      return text;
    case "boolean":
      return { type: "Boolean" };
    case "set": {
      const element = cedarType(type.element, { whole: true, children: new Map() });
      return element === null ? null : setOf(element);
    }
    case "record": {
      const attributes: Attributes = {};
      for (const [name, attribute] of type.attributes) {
        const below = readsBelow(reads, name);
        const declared = below === null ? null : cedarType(attribute.type, below);
        if (declared !== null) attributes[name] = { ...declared, required: attribute.required };
      }
      return record(attributes);
    }
    case "none":
      return null;
  }
}
