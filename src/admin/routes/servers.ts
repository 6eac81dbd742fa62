import type { Refusal } from "../../../contract/index.ts";
import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { ServerId, ServerRecord, Transport } from "../../registry/index.ts";
import { isOwnEndpoint, serverBounds } from "../../registry/index.ts";
import type { Change } from "../../store/index.ts";
import type { Act, Done, Note } from "../act.ts";
import { credentialName } from "../credential-keeper.ts";
import type { House } from "../house.ts";
import { iso } from "../instant.ts";
import { cursorFor, pageOfSorted, pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";
import {
  flag,
  instant,
  listOf,
  mapOf,
  named,
  object,
  objectWith,
  pageOf,
  receipt,
  text,
  textOrNull,
  whole,
} from "../../api/index.ts";
import { authorization, authorizationView } from "./authorization-view.ts";
import { oauthSettings } from "./oauth-view.ts";
import { offers, offersView } from "./offers-view.ts";
import {
  health,
  healthView,
  server,
  serverSettings,
  serverView,
  settingsView,
  toolClass,
} from "./server-view.ts";

const value = {
  description: '{"literal": "…"} or {"vault": "<name of a secret>"}',
  oneOf: [object({ literal: text }), object({ vault: text })],
} as const;

const transport = named("Transport", {
  description: 'of kind "stdio" (command, args, env, cwd) or "http" (url, headers)',
  oneOf: [
    object({
      kind: { const: "stdio" },
      command: text,
      args: listOf(text),
      env: mapOf(value),
      cwd: { ...textOrNull, description: "null = the node's data directory" },
    }),
    objectWith(["kind", "url", "headers"], {
      kind: { const: "http" },
      url: text,
      headers: mapOf(value),
      auth: { oneOf: [oauthSettings(value), { type: "null" }] },
    }),
  ],
} as const);

const bounded = (field: keyof typeof serverBounds, description: string) =>
  ({
    type: "integer",
    minimum: serverBounds[field].min,
    maximum: serverBounds[field].max,
    description,
  }) as const;

const settings = {
  name: { type: "string", description: "prefix of its tools' names" },
  transport,
  enabled: flag,
  era: { enum: ["modern", "legacy", null], description: "null = find out" },
  callTimeoutMs: bounded("callTimeoutMs", "how long one call may take"),
  concurrencyMax: bounded("concurrencyMax", "calls in flight at once"),
  resultBytesMax: bounded("resultBytesMax", "larger results are withheld"),
  toolClasses: { ...mapOf(toolClass), description: "classes by upstream name, for when such a tool is seen" },
} as const;

const params = { server: { type: "string", description: "name or id of the server" } } as const;
const done = object({ server, receipt });

export const serverRoutes = [
  route({
    method: "GET",
    path: "/servers",
    summary: "List the servers of the tenant, by name",
    action: "admin.server.list",
    kind: "read",
    query: pageQuery,
    answer: pageOf(server),
    handle: async ({ actor, query }, house) => {
      const page = pageRequest("servers", query);
      if (!page.ok) return page;
      const all = house.registry.serversOf(actor.tenant);
      const { items, next } = pageOfSorted("servers", page.value, all, (record) => record.name);
      return ok({ items: items.map((record) => view(house, record)), next });
    },
  }),
  route({
    method: "POST",
    path: "/servers",
    summary: "Add a server",
    notes:
      "Secrets belong into the vault and are named here; a literal that looks like one is not shown again.",
    action: "admin.server.add",
    kind: "act",
    body: objectWith(["name", "transport"], settings),
    example: {
      name: "files",
      transport: { kind: "stdio", command: "mcp-files", args: [], env: {}, cwd: null },
    },
    status: 201,
    answer: done,
    handle: async ({ actor, act, body }, house) => {
      const refusal = whyNotReach(house, body.transport);
      if (refusal !== null) return refuse(refusal);
      return perform(house, act, house.registry.addServer(actor.tenant, body), { change: "added" });
    },
  }),
  route({
    method: "GET",
    path: "/servers/{server}",
    summary: "Show a server with its health and connection",
    action: "admin.server.show",
    kind: "read",
    params,
    answer: object({
      server,
      connection: {
        type: ["object", "null"],
        description: "this node's connection to it; null = none",
        properties: {
          state: text,
          era: { enum: ["modern", "legacy", null] },
          inFlight: whole,
          counts: mapOf(whole),
        },
        required: ["state", "era", "inFlight", "counts"],
        additionalProperties: false,
      },
      authorization: {
        description: "how it lets Signalbox in; null = its settings ask for no token",
        oneOf: [authorization, { type: "null" }],
      },
      offers,
    }),
    handle: async ({ actor, params }, house) => {
      const found = serverNamed(house, actor, params.server);
      if (!found.ok) return found;
      const line = house.upstreams.snapshot(found.value.id);
      const connection =
        line === null
          ? null
          : { state: line.state, era: line.era, inFlight: line.inFlight, counts: { ...line.counts } };
      const authorization = await authorizationView(house, found.value);
      const offered = offersView(house, found.value);
      return ok({ server: view(house, found.value), connection, authorization, offers: offered });
    },
  }),
  route({
    method: "GET",
    path: "/servers/{server}/versions",
    summary: "List the settings a server had, newest first",
    action: "admin.server.list-versions",
    kind: "read",
    params,
    query: pageQuery,
    answer: pageOf(
      object({
        version: whole,
        change: { enum: ["added", "changed", "removed"] },
        origin: { enum: ["file", "api"] },
        settings: serverSettings,
        at: instant,
      }),
    ),
    handle: async ({ actor, params, query }, house) => {
      const found = serverNamed(house, actor, params.server);
      if (!found.ok) return found;
      const list = `versions of ${found.value.id}`;
      const page = pageRequest(list, query);
      if (!page.ok) return page;
      const { after, limit } = page.value;
      const before = after === null ? undefined : Number(after);
      const versions = await house.registry.versionsOf(found.value, limit + 1, before);
      const items = versions.slice(0, limit);
      const last = items.at(-1);
      return ok({
        items: items.map((each) => ({ ...each, settings: settingsView(each.settings), at: iso(each.at) })),
        next: last === undefined || versions.length <= limit ? null : cursorFor(list, String(last.version)),
      });
    },
  }),
  route({
    method: "PATCH",
    path: "/servers/{server}",
    summary: "Change the settings that are named",
    notes: "With `version`, only if it still is the server's version.",
    action: "admin.server.change",
    kind: "act",
    params,
    body: objectWith([], {
      ...settings,
      version: { type: "integer", description: "the version you have seen" },
    }),
    example: { callTimeoutMs: 30_000 },
    answer: done,
    handle: async ({ actor, act, params, body }, house) => {
      const found = serverNamed(house, actor, params.server);
      if (!found.ok) return found;
      const { version, ...patch } = body;
      if (version !== undefined && version !== found.value.version) {
        return refuse({
          code: "conflict",
          detail: `The server is at version ${found.value.version}, not ${version}. Look at it again.`,
        });
      }
      const refusal = patch.transport === undefined ? null : whyNotReach(house, patch.transport);
      if (refusal !== null) return refuse(refusal);
      const change = house.registry.changeServer(actor.tenant, found.value.id, patch);
      return perform(house, act, change, { change: "changed", fields: Object.keys(patch) });
    },
  }),
  route({
    method: "DELETE",
    path: "/servers/{server}",
    summary: "Remove a server and its tools",
    notes: "Its versions are kept.",
    action: "admin.server.remove",
    kind: "act",
    params,
    answer: object({ id: text, receipt }),
    handle: async ({ actor, act, params }, house) => {
      const found = serverNamed(house, actor, params.server);
      if (!found.ok) return found;
      const { id, name } = found.value;
      const change = house.registry.removeServer(actor.tenant, id);
      if (!change.ok) return change;
      // Its tokens go with it; most servers have none.
      const tokens = await house.vault.removeOwn(actor.tenant, credentialName(id));
      const both: typeof change.value = {
        ...change.value,
        writes: [...change.value.writes, ...(tokens.ok ? tokens.value.writes : [])],
      };
      const performed = await house.acts.perform(act, id, both, { server: name, change: "removed" });
      return performed.ok ? ok({ id, receipt: performed.value.receipt }) : performed;
    },
  }),
  ...(["enable", "disable"] as const).map((verb) =>
    route({
      method: "POST",
      path: `/servers/{server}/${verb}`,
      summary: verb === "enable" ? "Connect a server again" : "Disconnect a server and keep its settings",
      action: `admin.server.${verb}`,
      kind: "act",
      params,
      answer: done,
      handle: async ({ actor, act, params }, house) => {
        const found = serverNamed(house, actor, params.server);
        if (!found.ok) return found;
        const change = house.registry.setServerEnabled(actor.tenant, found.value.id, verb === "enable");
        return perform(house, act, change, { change: `${verb}d` });
      },
    }),
  ),
  route({
    method: "POST",
    path: "/servers/{server}/probe",
    summary: "Probe a server now, connecting if need be",
    action: "admin.server.probe",
    kind: "act",
    params,
    answer: object({ health, receipt }),
    handle: async ({ actor, act, params }, house) => {
      const found = serverNamed(house, actor, params.server);
      if (!found.ok) return found;
      const { id, name, enabled } = found.value;
      if (!enabled)
        return refuse({ code: "conflict", detail: `The server "${name}" is disabled. Enable it first.` });
      const change: Change<null> = { writes: [], value: null, applied: () => undefined };
      const entered = await house.acts.perform(act, id, change, { server: name });
      if (!entered.ok) return entered;
      return ok({ health: healthView(await house.upstreams.probeNow(id)), receipt: entered.value.receipt });
    },
  }),
];

/** By name or id; another tenant's looks like a missing one. */
export function serverNamed(house: House, actor: Principal, reference: string): Result<ServerRecord> {
  const found =
    house.registry.serverNamed(actor.tenant, reference) ?? house.registry.server(reference as ServerId); // any string may be looked up
  if (found === null || found.tenant !== actor.tenant) {
    return refuse({ code: "not-found", detail: "There is no such server." });
  }
  return ok(found);
}

function whyNotReach(house: House, transport: Transport): Refusal | null {
  const own = house.ownUrl();
  if (own === null || !isOwnEndpoint(transport, own)) return null;
  return {
    code: "invalid-params",
    detail: "transport.url: this is the node's own endpoint; a node cannot be its own server.",
  };
}

async function perform(
  house: House,
  act: Act,
  change: Result<Change<ServerRecord>>,
  note: Note,
): Promise<Result<{ server: ReturnType<typeof serverView>; receipt: Done<unknown>["receipt"] }>> {
  if (!change.ok) return change;
  const { id, name, version } = change.value.value;
  const performed = await house.acts.perform(act, id, change.value, { server: name, version, ...note });
  if (!performed.ok) return performed;
  return ok({ server: view(house, performed.value.value), receipt: performed.value.receipt });
}

const view = (house: House, record: ServerRecord) =>
  serverView(record, house.registry.declaredClasses(record.id), house.registry.serverHealth(record.id));
