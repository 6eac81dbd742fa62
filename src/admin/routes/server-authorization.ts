import type { Result } from "../../base/index.ts";
import { msOf, ok, refuse, wallMs } from "../../base/index.ts";
import { credentialText, ownAddresses, readCredential, Trouble } from "../../upstream/index.ts";
import { credentialName } from "../credential-keeper.ts";
import type { House } from "../house.ts";
import { iso } from "../instant.ts";
import { newConfirmation, sealState } from "../oauth-state.ts";
import { route } from "../route.ts";
import { instant, object, receipt, text, textOrNull } from "../../api/index.ts";
import { serverNamed } from "./servers.ts";

const params = { server: { type: "string", description: "name or id of the server" } } as const;

export const serverAuthorizationRoutes = [
  route({
    method: "POST",
    path: "/servers/{server}/authorize",
    summary: "Begin an authorization at the server's authorization server",
    notes:
      "Open `url` in a browser, sign in there, and type `confirmation` on the page that follows. A second start makes the first one void.",
    action: "admin.server.authorize",
    kind: "act",
    params,
    answer: object({
      url: text,
      issuer: text,
      scope: { ...textOrNull, description: "what is asked for; null = the authorization server decides" },
      confirmation: { ...text, description: "shown once" },
      expiresAt: instant,
      receipt,
    }),
    handle: async ({ actor, act, params }, house) => {
      const found = serverNamed(house, actor, params.server);
      if (!found.ok) return found;
      const record = found.value;
      const own = addressesOf(house);
      if (!own.ok) return own;
      const { tenant, id, name } = record;
      const kept = await house.vault.own(tenant, credentialName(id));
      const credential = readCredential(kept?.text ?? null);
      const confirmation = newConfirmation(house);
      const state = await sealState(house, { tenant, server: id, person: actor.id });
      const started = await attempt(() =>
        house.upstreams.authorizations.start(record, credential, own.value, { state, confirmation }),
      );
      if (!started.ok) return started;
      const { url, issuer, scope } = started.value;
      const change = await house.vault.putOwn(
        tenant,
        credentialName(id),
        credentialText(started.value.credential),
        kept?.version ?? null,
      );
      if (!change.ok) return change;
      const done = await house.acts.perform(act, id, change.value, { server: name, issuer, scope });
      if (!done.ok) return done;
      const expiresAt = iso(wallMs(started.value.credential.pending?.expiresAt ?? msOf(house.clock.wall())));
      return ok({ url, issuer, scope, confirmation, expiresAt, receipt: done.value.receipt });
    },
  }),
  route({
    method: "POST",
    path: "/servers/{server}/deauthorize",
    summary: "Forget the tokens and registrations of a server",
    notes: "The authorization server is not told; end the consent there as well.",
    action: "admin.server.deauthorize",
    kind: "act",
    params,
    answer: object({ id: text, receipt }),
    handle: async ({ actor, act, params }, house) => {
      const found = serverNamed(house, actor, params.server);
      if (!found.ok) return found;
      const { tenant, id, name } = found.value;
      const change = await house.vault.removeOwn(tenant, credentialName(id));
      if (!change.ok) return refuse({ code: "not-found", detail: "Nothing is kept for this server." });
      const done = await house.acts.perform(act, id, change.value, { server: name });
      if (!done.ok) return done;
      house.upstreams.authorizations.reload(id);
      return ok({ id, receipt: done.value.receipt });
    },
  }),
];

function addressesOf(house: House): Result<ReturnType<typeof ownAddresses>> {
  const url = house.publicUrl ?? house.ownUrl();
  return url === null
    ? refuse({ code: "shutting-down", detail: "The node does not listen yet." })
    : ok(ownAddresses(url));
}

/** What is wrong out there is an expected no, with its reason. */
export async function attempt<T>(work: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await work());
  } catch (thrown) {
    if (!(thrown instanceof Trouble)) throw thrown;
    return refuse({ code: "upstream-rejected", detail: `${thrown.message}.` });
  }
}
