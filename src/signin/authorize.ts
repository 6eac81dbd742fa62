import type { Acts } from "../admin/index.ts";
import type { Clock, Random } from "../base/index.ts";
import { elapsedMs, msOf, plusMs, wallMs } from "../base/index.ts";
import type { SignInAnswer, SignInRequest } from "../edge/index.ts";
import type { Identities, KeyHolding } from "../identity/index.ts";
import type { Store } from "../store/index.ts";
import { actorOf } from "./actors.ts";
import { sentOn } from "./answers.ts";
import type { AuthorizationRequest, WayBack } from "./authorization-request.ts";
import { answerOf, findWayBack, readRequest } from "./authorization-request.ts";
import { pageMs } from "./bounds.ts";
import type { Clients } from "./clients.ts";
import { codeFor } from "./code.ts";
import { isForm, readFields } from "./fields.ts";
import { requestNote } from "./notes.ts";
import { consentPage, leavingPage, notNowPage, refusalPage } from "./pages.ts";
import type { OAuthProblem } from "./problem.ts";
import { problem } from "./problem.ts";
import { destinationOf, withParameters } from "./redirect-uri.ts";
import type { Seals } from "./seals.ts";

interface AuthorizeParts {
  readonly clients: Clients;
  readonly seals: Seals;
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Pick<Store, "now">;
  readonly identities: Pick<Identities, "keyHolding" | "refreshIfChanged">;
  readonly acts: Pick<Acts, "perform">;
}

/** What waits on a page, in the browser alone. */
interface Waiting {
  readonly request: AuthorizationRequest;
  readonly base: string;
  readonly until: number;
}

/** The page where a person says whether a client may act as an agent, and as which. GET asks, POST decides. */
export class AuthorizeEndpoint {
  private readonly parts: AuthorizeParts;

  constructor(parts: AuthorizeParts) {
    this.parts = parts;
  }

  async ask({ query, base }: SignInRequest): Promise<SignInAnswer> {
    const fields = readFields(query);
    if (!fields.ok) return refusalPage(400, fields.refusal.description);
    const back = await findWayBack(fields.value, this.parts.clients);
    if (!back.ok) return refusalPage(400, back.refusal.description);
    const request = readRequest(fields.value, back.value, base);
    if (!request.ok) return toldOf(back.value, base, request.refusal);
    const until = msOf(plusMs(this.parts.clock.wall(), pageMs));
    const waiting: Waiting = { request: request.value, base, until };
    return consentPage(request.value, await this.parts.seals.seal("request", waiting));
  }

  async decide(incoming: SignInRequest): Promise<SignInAnswer> {
    if (!isOwnForm(incoming)) return refusalPage(403, "This form was not sent from its page.");
    const fields = readFields(incoming.body.toString("utf8"));
    const sealed = fields.ok ? (fields.value.get("request") ?? "") : "";
    const waiting = (await this.parts.seals.open("request", sealed)) as Waiting | null; // sealed by ask
    if (!fields.ok || waiting === null) return refusalPage(400, "This form is not one of ours.");
    const { request, base, until } = waiting;
    if (elapsedMs(wallMs(until), this.parts.clock.wall()) <= 0)
      return refusalPage(400, "This page was open for too long.");
    const decision = fields.value.get("decision");
    if (decision === "deny") {
      const { refusal } = problem("access_denied", "The person has said no.");
      return sentOn(withParameters(request.redirectUri, answerOf(request, base, refusal)));
    }
    if (decision !== "allow") return refusalPage(400, "This form is not one of ours.");
    const holding = await actorOf(this.parts.identities, (fields.value.get("key") ?? "").trim());
    return holding.ok
      ? this.allowed(request, base, holding.value)
      : consentPage(request, sealed, holding.refusal);
  }

  /** The code leaves once it is on record who has let whom act, and as what. */
  private async allowed(
    request: AuthorizationRequest,
    base: string,
    holding: KeyHolding,
  ): Promise<SignInAnswer> {
    const { acts, seals, store, random } = this.parts;
    const code = codeFor(request, holding, { now: await store.now(), random });
    const done = await acts.perform(
      { actor: holding.principal, action: "signin.allow", decision: null },
      holding.principal.id,
      { writes: [], value: null, applied: () => undefined },
      { ...requestNote(request), name: holding.principal.name, key: holding.key.id, code: code.id },
    );
    if (!done.ok) return notNowPage;
    const answer = answerOf(request, base, { code: await seals.seal("code", code) });
    return sentOn(withParameters(request.redirectUri, answer));
  }
}

/**
 * A program on this machine is told at once. Anybody can register an address elsewhere, so nobody is sent there, or into another
 * program, without a press of a button (RFC 9700 section 4.11.2).
 */
function toldOf(back: WayBack, base: string, refusal: OAuthProblem): SignInAnswer {
  const target = withParameters(back.redirectUri, answerOf(back, base, refusal));
  const isHere = destinationOf(back.redirectUri)?.kind === "this-machine";
  return isHere ? sentOn(target) : leavingPage(back, refusal.description, target);
}

/**
 * That the form is sealed says that its page was ours, not that it was sent from there. Browsers say so in one of two ways; the
 * edge lets in origins of this machine with any port, of which one alone is this page's. A proxy may have given us another Host.
 */
function isOwnForm(incoming: SignInRequest): boolean {
  const { origin, host, "sec-fetch-site": site } = incoming.headers;
  if (site !== undefined && site !== "same-origin") return false;
  if (!isForm(incoming)) return false;
  if (origin === undefined) return true;
  const from = hostOf(origin);
  return from !== null && (from === hostOf(incoming.base) || from === hostOf(`http://${host}`));
}

const hostOf = (url: string): string | null => (URL.canParse(url) ? new URL(url).host : null);
