import type { Result } from "../../base/index.ts";
import type { Probed } from "../../calls/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { Pin, Tool } from "../../registry/index.ts";
import { diffDefinitions, isOwnTool } from "../../registry/index.ts";
import type { House } from "../house.ts";
import { iso, isoOrNull } from "../instant.ts";
import { pageOfSorted, pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";
import type { Shape } from "../../api/index.ts";
import {
  digest,
  flag,
  instant,
  instantOrNull,
  listOf,
  object,
  pageOf,
  receipt,
  text,
  textOrNull,
  named,
} from "../../api/index.ts";
import { serverNamed } from "./servers.ts";
import { health, healthView, toolClass } from "./server-view.ts";

const states = ["live", "quarantined", "gone"] as const;

const probed = named(
  "Probed",
  object({
    at: instant,
    found: {
      enum: ["well", "flawed", "ill", "unmade"],
      description:
        "well = it answered; flawed = its answer cannot be passed on; ill = it did not, or with an error; unmade = it was not asked, which says nothing of it",
    },
    reason: { ...textOrNull, description: "null = it works" },
  }),
);

const toolShape = named(
  "Tool",
  object({
    name: { type: "string", description: "what agents call it" },
    id: { type: "string", description: "<server id>/<upstream name>, as in policies and in the ledger" },
    server: text,
    title: textOrNull,
    description: textOrNull,
    class: toolClass,
    pin: digest,
    state: { enum: states },
    health,
    probed: {
      description: "how this node's last probe of it went; null = there was none",
      oneOf: [probed, { type: "null" }],
    },
    callable: flag,
    why: { type: ["string", "null"], description: "why it cannot be called; null = it can" },
    hiddenBy: {
      type: ["string", "null"],
      description: "the tool whose name is too like this one's; null = it is exposed",
    },
  }),
);

const definition = { type: "object", description: "the definition as the server gave it" } as const;

const detailed = object({
  tool: toolShape,
  definition: { ...definition, description: "the approved definition" },
  offered: {
    type: ["object", "null"],
    description: "what the server offers instead, and where it differs; null = nothing else",
    properties: {
      pin: digest,
      since: instant,
      definition,
      fields: listOf(text),
      differences: listOf(
        object({
          pointer: text,
          kind: { enum: ["added", "removed", "changed"] },
          before: textOrNull,
          after: textOrNull,
        }),
      ),
      isCut: flag,
    },
    required: ["pin", "since", "definition", "fields", "differences", "isCut"],
    additionalProperties: false,
  },
  seen: {
    ...listOf(object({ pin: digest, firstSeenAt: instant, lastSeenAt: instantOrNull })),
    description: "every definition it was seen with, oldest first; without lastSeenAt it is the one offered",
  },
});

const params = {
  tool: { type: "string", description: "exposed name, or <server>/<upstream name> with the slash as %2F" },
} as const;

export const toolRoutes = [
  route({
    method: "GET",
    path: "/tools",
    summary: "List the tools of the tenant with state and health",
    action: "admin.tool.list",
    kind: "read",
    query: {
      ...pageQuery,
      server: { type: "string", description: "only this server's; name or id" },
      state: { enum: states, description: "only those in this state" },
    },
    answer: pageOf(toolShape),
    handle: async ({ actor, query }, house) => {
      const page = pageRequest("tools", query);
      if (!page.ok) return page;
      let all = everyTool(house, actor);
      if (query.server !== undefined) {
        const server = serverNamed(house, actor, query.server);
        if (!server.ok) return server;
        all = all.filter((each) => each.tool.server.id === server.value.id);
      }
      if (query.state !== undefined) all = all.filter((each) => each.tool.state.kind === query.state);
      const { items, next } = pageOfSorted("tools", page.value, all, ({ tool }) => sortKey(tool));
      return ok({ items: items.map((each) => view(house, each)), next });
    },
  }),
  route({
    method: "GET",
    path: "/tools/{tool}",
    summary: "Show a tool, and how what is offered differs from what was approved",
    action: "admin.tool.show",
    kind: "read",
    params,
    answer: detailed,
    handle: async ({ actor, params }, house) => {
      const found = toolNamed(house, actor, params.tool);
      if (!found.ok) return found;
      const { tool } = found.value;
      const seen = await house.registry.definitionsOf(tool);
      return ok({
        tool: view(house, found.value),
        definition: plain(tool.definition),
        offered: offeredView(tool),
        seen: seen.map((each) => ({
          pin: each.pin,
          firstSeenAt: iso(each.firstSeenAt),
          lastSeenAt: isoOrNull(each.lastSeenAt),
        })),
      });
    },
  }),
  route({
    method: "PUT",
    path: "/tools/{tool}/class",
    summary: "Say what repeating a call of this tool means",
    action: "admin.tool.set-class",
    kind: "act",
    params,
    body: toolClass,
    example: { kind: "read" },
    answer: object({ class: toolClass, receipt }),
    handle: async ({ actor, act, params, body }, house) => {
      const found = toolNamed(house, actor, params.tool);
      if (!found.ok) return found;
      const { tool } = found.value;
      const change = house.registry.setClass(tool, body);
      if (!change.ok) return change;
      const note = { tool: tool.exposedName, from: tool.class, to: change.value.value };
      const performed = await house.acts.perform(act, tool.id, change.value, note);
      if (!performed.ok) return performed;
      return ok({ class: performed.value.value, receipt: performed.value.receipt });
    },
  }),
  route({
    method: "POST",
    path: "/tools/{tool}/approve",
    summary: "Approve the definition that a quarantined tool is offered with",
    notes:
      "`pin` is that of the definition you have looked at: if the server has changed its mind since, nothing happens.",
    action: "admin.tool.approve",
    kind: "act",
    params,
    body: object({ pin: digest }),
    example: { pin: "0".repeat(64) },
    answer: object({
      pin: digest,
      replaced: digest,
      class: toolClass,
      classReset: {
        type: ["string", "null"],
        description: "why its class no longer fits and is `effect` again",
      },
      receipt,
    }),
    handle: async ({ actor, act, params, body }, house) => {
      const found = toolNamed(house, actor, params.tool);
      if (!found.ok) return found;
      const { tool } = found.value;
      const change = house.registry.approvePin(tool, body.pin as Pin); // compared with the one offered
      if (!change.ok) return change;
      const note = { tool: tool.exposedName, ...change.value.value };
      const performed = await house.acts.perform(act, tool.id, change.value, note);
      if (!performed.ok) return performed;
      return ok({ ...performed.value.value, receipt: performed.value.receipt });
    },
  }),
  route({
    method: "DELETE",
    path: "/tools/{tool}",
    summary: "Forget a tool that is gone, with all its definitions",
    action: "admin.tool.forget",
    kind: "act",
    params,
    answer: object({ id: text, receipt }),
    handle: async ({ actor, act, params }, house) => {
      const found = toolNamed(house, actor, params.tool);
      if (!found.ok) return found;
      const { tool } = found.value;
      const change = await house.registry.forgetTool(tool);
      if (!change.ok) return change;
      const note = { tool: tool.exposedName, pin: tool.pin };
      const performed = await house.acts.perform(act, tool.id, change.value, note);
      return performed.ok ? ok({ id: tool.id, receipt: performed.value.receipt }) : performed;
    },
  }),
];

export interface Shown {
  readonly tool: Tool;
  /** null = it is exposed. */
  readonly hiddenBy: string | null;
}

/** By server, then upstream name. */
function everyTool(house: House, actor: Principal): readonly Shown[] {
  const exposed = house.registry.toolsOf(actor.tenant).map((tool) => ({ tool, hiddenBy: null }));
  const hidden = house.registry
    .collisionsOf(actor.tenant)
    .map(({ tool, kept }) => ({ tool, hiddenBy: kept }));
  return [...exposed, ...hidden].toSorted((a, b) => (sortKey(a.tool) < sortKey(b.tool) ? -1 : 1));
}

/** U+0000 sorts before everything a name can have, so that one server's tools stand together. */
const sortKey = (tool: Tool): string => `${tool.server.name}\u0000${tool.name}`;

export function toolNamed(house: House, actor: Principal, reference: string): Result<Shown> {
  const { registry } = house;
  // No server has the name of the node's own, so its tools are found by their ids.
  const own = isOwnTool(reference) ? registry.toolById(actor.tenant, reference) : null;
  const exposed = registry.toolNamed(actor.tenant, reference) ?? own;
  if (exposed !== null) return ok({ tool: exposed, hiddenBy: null });
  const slash = reference.indexOf("/");
  const server = slash === -1 ? null : serverNamed(house, actor, reference.slice(0, slash));
  const tool = server?.ok ? registry.toolById(actor.tenant, server.value.id + reference.slice(slash)) : null;
  if (tool === null) return refuse({ code: "not-found", detail: "There is no such tool." });
  const collision = registry.collisionsOf(actor.tenant).find((each) => each.tool.id === tool.id);
  return ok({ tool, hiddenBy: collision?.kept ?? null });
}

function view(house: House, { tool, hiddenBy }: Shown): Shape<typeof toolShape> {
  const callable = house.registry.callable(tool);
  return {
    name: tool.exposedName,
    id: tool.id,
    server: tool.server.name,
    title: tool.definition.title ?? null,
    description: tool.definition.description ?? null,
    class: tool.class,
    pin: tool.pin,
    state: tool.state.kind,
    health: healthView(house.registry.healthOf(tool)),
    probed: probedView(house.calls.probed(tool.id)),
    callable: callable.ok && hiddenBy === null,
    why: callable.ok
      ? hiddenBy === null
        ? null
        : `its name is too like that of ${hiddenBy}`
      : callable.refusal.detail,
    hiddenBy,
  };
}

const probedView = (last: Probed | null): Shape<typeof probed> | null =>
  last === null ? null : { ...last, at: iso(last.at) };

function offeredView(tool: Tool): Shape<typeof detailed>["offered"] {
  if (tool.state.kind !== "quarantined") return null;
  const { offered, offeredPin, since } = tool.state;
  const { fields, differences, isCut } = diffDefinitions(tool.definition, offered);
  return {
    pin: offeredPin,
    since: iso(since),
    definition: plain(offered),
    fields: [...fields],
    differences,
    isCut,
  };
}

/** As JSON has it: without members that are undefined. */
const plain = (definition: object): Readonly<Record<string, unknown>> => ({ ...definition });
