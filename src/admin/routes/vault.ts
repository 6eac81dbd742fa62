import type { Result } from "../../base/index.ts";
import { ok } from "../../base/index.ts";
import type { Change } from "../../store/index.ts";
import type { SecretRecord } from "../../vault/index.ts";
import { secretBytesMax } from "../../vault/index.ts";
import type { Act, Done } from "../act.ts";
import type { House } from "../house.ts";
import { iso } from "../instant.ts";
import { pageOfSorted, pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";
import type { Shape } from "../../api/index.ts";
import { instant, object, pageOf, receipt, text, whole, named } from "../../api/index.ts";

const secret = named(
  "Secret",
  object({ name: text, version: whole, createdAt: instant, updatedAt: instant }),
);
const done = object({ secret, receipt });
const params = { name: { type: "string", description: "name of the secret" } } as const;

export const vaultRoutes = [
  route({
    method: "GET",
    path: "/vault",
    summary: "List the secrets of the tenant by name; a value is never shown",
    action: "admin.vault.list",
    kind: "read",
    query: pageQuery,
    answer: pageOf(secret),
    handle: async ({ actor, query }, house) => {
      const page = pageRequest("vault", query);
      if (!page.ok) return page;
      const all = await house.vault.list(actor.tenant);
      const { items, next } = pageOfSorted("vault", page.value, all, ({ name }) => name);
      return ok({ items: items.map(view), next });
    },
  }),
  route({
    method: "PUT",
    path: "/vault/{name}",
    summary: "Put a secret into the vault, or a new value of one",
    notes: "Servers that use it take the new value with their next connection.",
    action: "admin.vault.put",
    kind: "act",
    params,
    body: object({ value: { type: "string", minLength: 1, maxLength: secretBytesMax } }),
    example: { value: "correct horse battery staple" },
    answer: done,
    handle: async ({ actor, act, params, body }, house) =>
      perform(house, act, await house.vault.put(actor.tenant, params.name, body.value)),
  }),
  route({
    method: "DELETE",
    path: "/vault/{name}",
    summary: "Remove a secret",
    action: "admin.vault.remove",
    kind: "act",
    params,
    answer: done,
    handle: async ({ actor, act, params }, house) =>
      perform(house, act, await house.vault.remove(actor.tenant, params.name)),
  }),
];

async function perform(
  house: House,
  act: Act,
  change: Result<Change<SecretRecord>>,
): Promise<Result<{ secret: Shape<typeof secret>; receipt: Done<unknown>["receipt"] }>> {
  if (!change.ok) return change;
  const { name, version } = change.value.value;
  const performed = await house.acts.perform(act, `vault/${name}`, change.value, { name, version });
  return performed.ok
    ? ok({ secret: view(performed.value.value), receipt: performed.value.receipt })
    : performed;
}

const view = ({ name, version, createdAt, updatedAt }: SecretRecord): Shape<typeof secret> => ({
  name,
  version,
  createdAt: iso(createdAt),
  updatedAt: iso(updatedAt),
});
