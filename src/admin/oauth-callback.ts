import type { IncomingMessage, ServerResponse } from "node:http";
import type { Code } from "../../contract/index.ts";
import { codes } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { explain, faultFrom, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { ServerRecord } from "../registry/index.ts";
import type { Credential } from "../upstream/index.ts";
import { callbackPath, credentialText, readCredential } from "../upstream/index.ts";
import type { Act } from "./act.ts";
import { credentialName } from "./credential-keeper.ts";
import type { House } from "./house.ts";
import { page } from "./oauth-page.ts";
import type { StateOf } from "./oauth-state.ts";
import { openState, typedConfirmation } from "./oauth-state.ts";
import { readForm } from "./read-form.ts";
import { attempt } from "./routes/server-authorization.ts";

const action = "admin.server.authorize";
/** Each loses to a write of the node's own, of which there are few. */
const writeAttemptsMax = 4;

/** An authorization that came back, with everything it belongs to. */
interface Returned {
  readonly record: ServerRecord;
  readonly person: Principal;
  readonly credential: Credential;
  readonly version: number;
  readonly fields: URLSearchParams;
}

/**
 * Where authorization servers send browsers back to. The browser proves nothing to us, so what it brings is only looked at: the
 * state has to be one that we sealed and still wait for, the answer has to come from the issuer that was asked, and the tokens are
 * fetched once somebody types what only the terminal of the person who started it has shown. What happens then is that person's
 * act, as policy allows it at that moment.
 */
export class OAuthCallback {
  private readonly house: House;

  constructor(house: House) {
    this.house = house;
  }

  /** Never rejects. Host and Origin are the mounting server's to check. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const fields = await fieldsOf(request);
      if (fields === null) return; // the browser went away
      const returned = fields.ok ? await this.returned(fields.value) : fields;
      if (!returned.ok) return page(response, codes[returned.refusal.code].http, returned.refusal.detail);
      await this.answer(request.method === "POST", returned.value, response);
    } catch (thrown) {
      const fault = faultFrom(thrown, "finishing an authorization");
      this.house.onTrouble(`finishing an authorization: ${explain(thrown)}`, thrown);
      page(response, codes[fault.code].http, "Something went wrong here. Start the authorization again.");
    }
  }

  private async returned(fields: URLSearchParams): Promise<Result<Returned>> {
    const { house } = this;
    const state = await openState(house, fields.get("state") ?? "");
    if (state === null) return notAwaited;
    const record = house.registry.server(state.server);
    if (record === null || record.tenant !== state.tenant) return notAwaited;
    const person = this.personOf(state);
    if (!person.ok) return person;
    const kept = await house.vault.own(state.tenant, credentialName(state.server));
    if (kept === null) return notAwaited;
    const credential = readCredential(kept.text);
    return ok({ record, person: person.value, credential, version: kept.version, fields });
  }

  /** Disabled or no longer there: what that person started ends here. */
  private personOf({ tenant, person }: StateOf): Result<Principal> {
    const found = this.house.identities.recorded(tenant, person);
    return found.ok ? found : notAwaited;
  }

  private async answer(isConfirmed: boolean, returned: Returned, response: ServerResponse): Promise<void> {
    const { record, credential, person, fields } = returned;
    const { authorizations } = this.house.upstreams;
    const verdict = authorizations.judge(record, credential, {
      state: fields.get("state") ?? "",
      code: fields.get("code"),
      error: fields.get("error"),
      iss: fields.get("iss"),
    });
    switch (verdict.kind) {
      case "void":
        return page(response, 400, notAwaited.refusal.detail);
      case "foreign":
        await this.refused(returned, "The answer does not come from the issuer that was asked.");
        return page(response, 400, "This answer does not come from the authorization server that was asked.");
      case "refused":
        await this.refused(returned, `The authorization server answered ${verdict.error}.`);
        return page(response, 400, `The authorization server said no: ${verdict.error}.`);
      case "confirm":
        break;
    }
    const what = `${person.name} has asked to connect the server "${record.name}" of Signalbox with your account at ${verdict.pending.issuer}.`;
    if (!isConfirmed) return page(response, 200, what, fields);
    const typed = typedConfirmation(fields.get("confirmation") ?? "");
    const wrong = authorizations.wrongConfirmation(credential, verdict.pending, typed);
    if (wrong !== null) {
      await this.keep(returned, wrong, "A wrong confirmation was typed.");
      if (wrong.pending === null) return page(response, 400, "Too many wrong codes. Start again.");
      return page(response, 400, `That is not the code. ${what}`, fields);
    }
    const done = await this.finish(returned, verdict.pending, verdict.code);
    if (!done.ok) return page(response, codes[done.refusal.code].http, done.refusal.detail);
    page(response, 200, `The server "${record.name}" is authorized. You may close this window.`);
  }

  private async finish(
    { record, person, credential, version, fields }: Returned,
    pending: NonNullable<Credential["pending"]>,
    code: string,
  ): Promise<Result<null>> {
    const { house } = this;
    const act = this.actOf(person);
    if (act.decision?.effect !== "allow") {
      const refusal = { code: "forbidden" as const, detail: "You may not authorize servers any more." };
      await house.acts.recordRefusal(act, refusal, { server: record.name });
      return refuse(refusal);
    }
    const finished = await attempt(() =>
      house.upstreams.authorizations.finish(record, credential, pending, code),
    );
    if (!finished.ok) {
      const returned = { record, person, credential, version, fields };
      await this.refused(returned, finished.refusal.detail);
      return finished;
    }
    const kept = await this.keepGrant(act, { record, version, pending, finished: finished.value });
    if (!kept.ok) return kept;
    house.upstreams.authorizations.reload(record.id);
    // The line waits for its next try otherwise; whether it works is shown by its health.
    if (record.enabled) house.upstreams.probeNow(record.id).catch(() => undefined);
    return ok(null);
  }

  /** The node may renew the token before at the same moment; what counts is that the same authorization is still awaited. */
  private async keepGrant(
    act: Act,
    found: {
      readonly record: ServerRecord;
      readonly version: number;
      readonly pending: NonNullable<Credential["pending"]>;
      readonly finished: Credential;
    },
  ): Promise<Result<null>> {
    const { house } = this;
    const { tenant, id, name } = found.record;
    const { grant } = found.finished;
    let { finished: next, version } = found;
    for (let attempt = 0; attempt < writeAttemptsMax; attempt++) {
      const change = await house.vault.putOwn(tenant, credentialName(id), credentialText(next), version);
      if (change.ok) {
        const note = { server: name, issuer: grant?.issuer, scope: grant?.scope, finished: true };
        const done = await house.acts.perform(act, id, change.value, note);
        if (done.ok) return ok(null);
        if (done.refusal.code !== "conflict") return done;
      }
      const kept = await house.vault.own(tenant, credentialName(id));
      const credential = readCredential(kept?.text ?? null);
      if (kept === null || credential.pending?.stateHash !== found.pending.stateHash) return notAwaited;
      next = { ...credential, grant, pending: null, wanted: null };
      ({ version } = kept);
    }
    return notAwaited;
  }

  /** The state is used up, and that is on record. */
  private async refused(returned: Returned, detail: string): Promise<void> {
    await this.keep(returned, { ...returned.credential, pending: null }, detail);
  }

  private async keep({ record, person, version }: Returned, next: Credential, detail: string): Promise<void> {
    const { house } = this;
    const { tenant, id, name } = record;
    const change = await house.vault.putOwn(tenant, credentialName(id), credentialText(next), version);
    if (!change.ok) return; // changed meanwhile: then this answer is not awaited any more
    await house.acts.perform(this.actOf(person), id, change.value, { server: name, refused: detail });
  }

  private actOf(actor: Principal): Act {
    const decision = this.house.policies.current(actor.tenant).decide({
      principal: actor,
      action,
      resource: { type: "Tenant", id: actor.tenant },
      context: {},
    });
    return { actor, action, decision };
  }
}

const notAwaited: { readonly ok: false; readonly refusal: { readonly code: Code; readonly detail: string } } =
  refuse({
    code: "invalid-params",
    detail:
      "Nothing waits for this: it was used, replaced, is out of date, or never was ours. Start again with: signalbox servers authorize",
  });

/** Null = the browser went away. */
async function fieldsOf(request: IncomingMessage): Promise<Result<URLSearchParams> | null> {
  if (request.method === "POST") return readForm(request);
  if (request.method !== "GET") {
    return refuse({ code: "method-not-allowed", detail: `${callbackPath} takes GET and POST.` });
  }
  const url = request.url ?? "";
  const mark = url.indexOf("?");
  return ok(new URLSearchParams(mark === -1 ? "" : url.slice(mark + 1)));
}
