import type { Result } from "../../base/index.ts";
import { ok } from "../../base/index.ts";
import type {
  ApiKeyId,
  ApiKeyRecord,
  NewPrincipal,
  Principal,
  PrincipalKind,
  PrincipalRecord,
} from "../../identity/index.ts";
import { tokenScopes, tokenTtlMaxMs } from "../../identity/index.ts";
import type { Change } from "../../store/index.ts";
import type { Act, Done, Note } from "../act.ts";
import type { House } from "../house.ts";
import { iso, isoOrNull } from "../instant.ts";
import { cursorFor, pageQuery, pageRequest } from "../page.ts";
import type { GatedRoute } from "../route.ts";
import { route } from "../route.ts";
import type { Shape } from "../../api/index.ts";
import {
  flag,
  instant,
  instantOrNull,
  listOf,
  object,
  objectWith,
  pageOf,
  receipt,
  text,
  whole,
  named,
} from "../../api/index.ts";

const principal = named(
  "Principal",
  object({
    id: { type: "string", description: "<kind>/<id>, as in policies and in the ledger" },
    kind: { enum: ["agent", "person", "service"] },
    name: text,
    roles: listOf(text),
    enabled: flag,
    version: whole,
    createdAt: instant,
  }),
);

const key = named(
  "ApiKey",
  object({
    id: text,
    label: { type: "string", description: "where the key is used" },
    createdAt: instant,
    expiresAt: { ...instantOrNull, description: "null = until it is revoked" },
  }),
);

const secret = { type: "string", description: "shown this once and kept nowhere" } as const;
const done = object({ principal, receipt });

/** The same verbs for each kind, under its own nouns: who may make agents need not be able to make people. */
export const principalRoutes: readonly GatedRoute[] = [
  ...routesFor("agent", "agents", "an agent"),
  ...routesFor("person", "people", "a person"),
  ...routesFor("service", "services", "a service"),
];

function routesFor(kind: PrincipalKind, plural: string, one: string): readonly GatedRoute[] {
  const own = `/${plural}/{name}`;
  const params = {
    name: { type: "string", description: `name of ${one}, or its id with the slash as %2F` },
  } as const;

  /** A verb on one principal that answers with it. */
  const verb = (
    method: "POST",
    name: string,
    summary: string,
    change: (house: House, actor: Principal, record: PrincipalRecord) => Result<Change<PrincipalRecord>>,
  ): GatedRoute =>
    route({
      method,
      path: `${own}/${name}`,
      summary,
      action: `admin.${kind}.${name}`,
      kind: "act",
      params,
      answer: done,
      handle: async ({ actor, act, params }, house) => {
        const found = house.identities.find(actor, kind, params.name);
        if (!found.ok) return found;
        return perform(house, act, change(house, actor, found.value), {});
      },
    });

  return [
    route({
      method: "GET",
      path: `/${plural}`,
      summary: `List the ${plural} of the tenant, by name`,
      action: `admin.${kind}.list`,
      kind: "read",
      query: pageQuery,
      answer: pageOf(principal),
      handle: async ({ actor, query }, house) => {
        const page = pageRequest(plural, query);
        if (!page.ok) return page;
        const { after, limit } = page.value;
        const records = await house.identities.list(actor, {
          kind,
          limit: limit + 1,
          ...(after === null ? {} : { after }),
        });
        const items = records.slice(0, limit);
        const last = items.at(-1);
        const next = last === undefined || records.length <= limit ? null : cursorFor(plural, last.name);
        return ok({ items: items.map(view), next });
      },
    }),
    route({
      method: "POST",
      path: `/${plural}`,
      summary: `Create ${one}`,
      action: `admin.${kind}.create`,
      kind: "act",
      body: objectWith(["name"], { name: text, roles: listOf(text, 64) }),
      example: { name: "invoicer", roles: ["clerk"] },
      status: 201,
      answer: done,
      handle: async ({ actor, act, body }, house) => {
        const fresh = { name: body.name, roles: body.roles ?? [] };
        return perform(house, act, created(house, actor, kind, fresh), { roles: fresh.roles });
      },
    }),
    route({
      method: "GET",
      path: own,
      summary: `Show ${one}`,
      action: `admin.${kind}.show`,
      kind: "read",
      params,
      answer: principal,
      handle: async ({ actor, params }, house) => {
        const found = house.identities.find(actor, kind, params.name);
        return found.ok ? ok(view(found.value)) : found;
      },
    }),
    verb(
      "POST",
      "disable",
      `Disable ${one} and end all of its tokens; its keys rest`,
      (house, actor, { id }) => house.identities.disable(actor, id),
    ),
    verb("POST", "enable", `Enable ${one} again`, (house, actor, { id }) =>
      house.identities.enable(actor, id),
    ),
    route({
      method: "PUT",
      path: `${own}/roles`,
      summary: `Set the roles of ${one}; they hold from the next request on`,
      action: `admin.${kind}.set-roles`,
      kind: "act",
      params,
      body: object({ roles: listOf(text, 64) }),
      example: { roles: ["clerk"] },
      answer: done,
      handle: async ({ actor, act, params, body }, house) => {
        const found = house.identities.find(actor, kind, params.name);
        if (!found.ok) return found;
        const change = house.identities.setRoles(actor, found.value.id, body.roles);
        return perform(house, act, change, { from: found.value.roles, to: body.roles });
      },
    }),
    route({
      method: "POST",
      path: `${own}/tokens`,
      summary: `Issue a short-lived token for ${one}`,
      action: `admin.${kind}.issue-token`,
      kind: "act",
      params,
      body: objectWith([], {
        ttlMs: {
          type: "integer",
          minimum: 1,
          maximum: tokenTtlMaxMs,
          description: "default: identity.tokenTtl of the configuration",
        },
        scopes: {
          ...listOf({ enum: tokenScopes }, tokenScopes.length),
          description: "what the token is limited to; default: what policy allows",
        },
      }),
      example: { ttlMs: 600_000 },
      status: 201,
      answer: object({ token: secret, id: text, principal: text, expiresAt: instant, receipt }),
      handle: async ({ actor, act, params, body }, house) => {
        const found = house.identities.find(actor, kind, params.name);
        if (!found.ok) return found;
        const issued = house.identities.issueToken(
          actor,
          found.value.id,
          body.ttlMs ?? null,
          body.scopes ?? null,
        );
        if (!issued.ok) return issued;
        const { token, jti, expiresAt } = issued.value;
        const change: Change<null> = { writes: [], value: null, applied: () => undefined };
        const note = {
          name: found.value.name,
          token: jti,
          expiresAt: iso(expiresAt),
          ...(body.scopes === undefined ? {} : { scopes: body.scopes }),
        };
        const performed = await house.acts.perform(act, found.value.id, change, note);
        if (!performed.ok) return performed;
        const { id } = found.value;
        return ok({
          token,
          id: jti,
          principal: id,
          expiresAt: iso(expiresAt),
          receipt: performed.value.receipt,
        });
      },
    }),
    route({
      method: "DELETE",
      path: `${own}/tokens`,
      summary: `End all tokens of ${one}`,
      action: `admin.${kind}.revoke-tokens`,
      kind: "act",
      params,
      query: { keys: { type: "boolean", description: "true = delete its API keys as well" } },
      answer: done,
      handle: async ({ actor, act, params, query }, house) => {
        const found = house.identities.find(actor, kind, params.name);
        if (!found.ok) return found;
        const keys = query.keys ?? false;
        return perform(house, act, house.identities.revokeTokens(actor, found.value.id, { keys }), { keys });
      },
    }),
    route({
      method: "GET",
      path: `${own}/keys`,
      summary: `List the API keys of ${one}, without the keys themselves`,
      action: `admin.${kind}.list-keys`,
      kind: "read",
      params,
      answer: object({ items: listOf(key) }),
      handle: async ({ actor, params }, house) => {
        const found = house.identities.find(actor, kind, params.name);
        if (!found.ok) return found;
        const keys = house.identities.apiKeys(actor, found.value.id);
        return keys.ok ? ok({ items: keys.value.map(keyView) }) : keys;
      },
    }),
    route({
      method: "POST",
      path: `${own}/keys`,
      summary: `Issue an API key for ${one}`,
      action: `admin.${kind}.issue-key`,
      kind: "act",
      params,
      body: objectWith(["label"], {
        label: text,
        ttlMs: { type: ["integer", "null"], minimum: 1, description: "null or absent = until it is revoked" },
      }),
      example: { label: "build machine", ttlMs: null },
      status: 201,
      answer: object({ key, secret, receipt }),
      handle: async ({ actor, act, params, body }, house) => {
        const found = house.identities.find(actor, kind, params.name);
        if (!found.ok) return found;
        const { id, name } = found.value;
        const fresh = { label: body.label, ttlMs: body.ttlMs ?? null };
        const change = house.identities.issueApiKey(actor, id, fresh);
        if (!change.ok) return change;
        const { record, secret } = change.value.value;
        const note = { name, key: record.id, label: record.label, expiresAt: isoOrNull(record.expiresAt) };
        const performed = await house.acts.perform(act, id, change.value, note);
        return performed.ok
          ? ok({ key: keyView(record), secret, receipt: performed.value.receipt })
          : performed;
      },
    }),
    route({
      method: "DELETE",
      path: `${own}/keys/{key}`,
      summary: `Revoke an API key of ${one}`,
      action: `admin.${kind}.revoke-key`,
      kind: "act",
      params: { ...params, key: { type: "string", description: "id of the key" } },
      answer: object({ key, receipt }),
      handle: async ({ actor, act, params }, house) => {
        const found = house.identities.find(actor, kind, params.name);
        if (!found.ok) return found;
        const { id, name } = found.value;
        const change = house.identities.revokeApiKey(actor, id, params.key as ApiKeyId); // looked up, never trusted
        if (!change.ok) return change;
        const { label } = change.value.value;
        const performed = await house.acts.perform(act, id, change.value, { name, key: params.key, label });
        return performed.ok
          ? ok({ key: keyView(performed.value.value), receipt: performed.value.receipt })
          : performed;
      },
    }),
  ];
}

function created(
  house: House,
  actor: Principal,
  kind: PrincipalKind,
  fresh: NewPrincipal,
): Result<Change<PrincipalRecord>> {
  switch (kind) {
    case "agent":
      return house.identities.createAgent(actor, fresh);
    case "person":
      return house.identities.createPerson(actor, fresh);
    case "service":
      return house.identities.createService(actor, fresh);
  }
}

async function perform(
  house: House,
  act: Act,
  change: Result<Change<PrincipalRecord>>,
  note: Note,
): Promise<Result<{ principal: Shape<typeof principal>; receipt: Done<unknown>["receipt"] }>> {
  if (!change.ok) return change;
  const { id, name } = change.value.value;
  const performed = await house.acts.perform(act, id, change.value, { name, ...note });
  return performed.ok
    ? ok({ principal: view(performed.value.value), receipt: performed.value.receipt })
    : performed;
}

function view(record: PrincipalRecord): Shape<typeof principal> {
  const { id, kind, name, roles, enabled, version, createdAt } = record;
  return { id, kind, name, roles, enabled, version, createdAt: iso(createdAt) };
}

const keyView = ({ id, label, createdAt, expiresAt }: ApiKeyRecord): Shape<typeof key> => ({
  id,
  label,
  createdAt: iso(createdAt),
  expiresAt: isoOrNull(expiresAt),
});
