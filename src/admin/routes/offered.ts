import type { Result } from "../../base/index.ts";
import { ok } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { Prompt, Resource, ServerRecord } from "../../registry/index.ts";
import type { House } from "../house.ts";
import { pageOfSorted, pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";
import type { Shape } from "../../api/index.ts";
import { digest, flag, named, object, pageOf, text, textOrNull } from "../../api/index.ts";
import { serverNamed } from "./servers.ts";

const shared = {
  id: { type: "string", description: "<server id>/<name at the server>, as in policies and in the ledger" },
  server: text,
  title: textOrNull,
  description: textOrNull,
  pin: digest,
  callable: flag,
  why: { type: ["string", "null"], description: "why nobody can have it now; null = one can" },
  hiddenBy: {
    type: ["string", "null"],
    description: "the server that has the name here, because it was first; null = it is exposed",
  },
} as const;

const resourceShape = named(
  "Resource",
  object({
    uri: { type: "string", description: "of a template the URI template, of a skill that of its SKILL.md" },
    kind: { enum: ["resource", "template", "skill"] },
    name: { type: "string", description: "the short name its server gives it" },
    mimeType: textOrNull,
    ...shared,
  }),
);

const promptShape = named(
  "Prompt",
  object({ name: { type: "string", description: "what clients call it" }, ...shared }),
);

const query = {
  ...pageQuery,
  server: { type: "string", description: "only this server's; name or id" },
} as const;

const notes =
  "What servers last said, kept in memory: a server that was not connected since the node started has none.";

export const offeredRoutes = [
  route({
    method: "GET",
    path: "/resources",
    summary: "List the resources, templates and skills that servers offer",
    notes,
    action: "admin.resource.list",
    kind: "read",
    query,
    answer: pageOf(resourceShape),
    handle: async ({ actor, query }, house) =>
      paged("resources", query, house, actor, (server) => {
        const { resources, templates, skills } = house.registry.listedBy(server.id);
        // A skill's SKILL.md may be listed as a resource too: it is one thing, with one id.
        const ids = new Set(skills.map(({ id }) => id));
        return [
          ...skills.map((each) => skillView(house, each)),
          ...resources.filter(({ id }) => !ids.has(id)).map((each) => resourceView(house, each, "resource")),
          ...templates.map((each) => resourceView(house, each, "template")),
        ];
      }),
  }),
  route({
    method: "GET",
    path: "/prompts",
    summary: "List the prompts that servers offer",
    notes,
    action: "admin.prompt.list",
    kind: "read",
    query,
    answer: pageOf(promptShape),
    handle: async ({ actor, query }, house) =>
      paged("prompts", query, house, actor, (server) =>
        house.registry.listedBy(server.id).prompts.map((each) => promptView(house, each)),
      ),
  }),
];

/** By server, then by the name at the server. */
function paged<V extends { readonly server: string; readonly id: string }>(
  list: string,
  query: { readonly server?: string; readonly limit?: number; readonly cursor?: string },
  house: House,
  actor: Principal,
  of: (server: ServerRecord) => readonly V[],
): Result<{ readonly items: readonly V[]; readonly next: string | null }> {
  const page = pageRequest(list, query);
  if (!page.ok) return page;
  const only = query.server === undefined ? null : serverNamed(house, actor, query.server);
  if (only !== null && !only.ok) return only;
  const servers = only === null ? house.registry.serversOf(actor.tenant) : [only.value];
  // U+0000 sorts before everything a name can have, so that what one server offers stands together.
  const keyOf = ({ server, id }: V): string => `${server}\u0000${id}`;
  const all = servers.flatMap((server) => of(server).toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)));
  return ok(pageOfSorted(list, page.value, all, keyOf));
}

function resourceView(
  house: House,
  resource: Resource,
  kind: "resource" | "template",
): Shape<typeof resourceShape> {
  const { tenant, name: uri } = resource;
  const said = resource.definition ?? {};
  const first =
    kind === "template"
      ? house.registry.templateAt(tenant, uri)
      : house.registry.resourceAt(tenant, uri, null);
  return {
    uri,
    kind,
    name: textOf(said["name"]) ?? uri,
    mimeType: textOf(said["mimeType"]),
    ...sharedView(house, resource, first),
  };
}

/** What it says of itself stands in its frontmatter. */
function skillView(house: House, skill: Resource): Shape<typeof resourceShape> {
  const said = skill.definition?.["frontmatter"] as Readonly<Record<string, unknown>>; // the registry lists none without
  return {
    ...resourceView(house, skill, "resource"),
    kind: "skill",
    name: textOf(said["name"]) ?? skill.name,
    description: textOf(said["description"]),
  };
}

function promptView(house: House, prompt: Prompt): Shape<typeof promptShape> {
  const first = house.registry.promptNamed(prompt.tenant, prompt.exposedName);
  return { name: prompt.exposedName, ...sharedView(house, prompt, first) };
}

/** `first`: what callers get under this name. */
function sharedView(house: House, subject: Resource | Prompt, first: Resource | Prompt | null) {
  const { id, server, pin } = subject;
  const callable = house.registry.callable(subject);
  const hiddenBy = first === null || first.server.id === server.id ? null : first.server.name;
  return {
    id,
    server: server.name,
    title: textOf(subject.definition?.["title"]),
    description: textOf(subject.definition?.["description"]),
    pin,
    callable: callable.ok && hiddenBy === null,
    why: callable.ok
      ? hiddenBy === null
        ? null
        : `${hiddenBy} has something of this name, and was first`
      : callable.refusal.detail,
    hiddenBy,
  };
}

const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);
