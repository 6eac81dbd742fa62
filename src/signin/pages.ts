import type { SignInAnswer } from "../edge/index.ts";
import type { NoActor } from "./actors.ts";
import type { AuthorizationRequest, WayBack } from "./authorization-request.ts";
import { signedInMs } from "./bounds.ts";
import type { Markup } from "./html.ts";
import { html, nothing, page } from "./html.ts";
import { paths } from "./metadata.ts";
import type { Destination } from "./redirect-uri.ts";
import { destinationOf } from "./redirect-uri.ts";
import type { OfferedScope } from "./scopes.ts";

/** Who asks, where the answer goes, what for; and the key of whom it shall act as. `sealed` is the request, as the form brings it back. */
export function consentPage(
  request: AuthorizationRequest,
  sealed: string,
  trouble: NoActor | null = null,
): SignInAnswer {
  const { client, redirectUri, scopes } = request;
  const content = html`<article class="card">
    <h1>A program wants to act as one of your agents</h1>
    <p>Go on only if you have started this yourself, a moment ago.</p>
    <dl>
      <dt>It calls itself</dt>
      <dd><span class="said">${client.name ?? "(it gives no name)"}</span>${vouching(client.vouchedBy)}</dd>
      <dt>The answer is sent to</dt>
      <dd>${place(destinationOf(redirectUri))}</dd>
      <dt>It may then, as that agent and as far as policy lets the agent</dt>
      <dd>
        <ul>
          ${list(scopes)}
        </ul>
      </dd>
      <dt>For how long</dt>
      <dd>
        At most ${String(signedInMs / 3_600_000)} hours, and not longer than the key is good.
        <code>signalbox agents revoke NAME</code> ends it before.
      </dd>
    </dl>
    <form method="post" action="${paths.authorize}">
      <input type="hidden" name="request" value="${sealed}" />
      ${trouble === null ? nothing : html`<p class="trouble" role="alert">${troubleTexts[trouble]}</p>`}
      <label for="key">API key of the agent</label>
      <input
        id="key"
        name="key"
        type="password"
        autocomplete="off"
        autocapitalize="off"
        spellcheck="false"
        autofocus
        required
      />
      <p class="hint">
        One from <code>signalbox agents keys create</code>. The program never sees it: it gets a token of its
        own.
      </p>
      <div class="buttons">
        <button class="primary" name="decision" value="allow">Allow</button>
        <button class="danger" name="decision" value="deny" formnovalidate>Deny</button>
      </div>
    </form>
  </article>`;
  return page(trouble === null ? 200 : 403, content, { hasForm: true });
}

/** For a request that cannot be answered to its client. */
export const refusalPage = (status: number, text: string, headers: readonly string[] = []): SignInAnswer =>
  page(
    status,
    html`<article class="card">
      <h1>This does not work</h1>
      <p class="trouble" role="alert">${text}</p>
      <p>
        Nothing was allowed. Close this window, and start again from the program that you want to connect.
      </p>
    </article>`,
    { headers },
  );

export const notNowPage = refusalPage(503, "Nothing can be written down at the moment. Try again.");

/** Anybody can register an address, so nobody is sent on to a place elsewhere without having seen which it is. */
export const leavingPage = ({ redirectUri }: WayBack, text: string, target: string): SignInAnswer =>
  page(
    400,
    html`<article class="card">
      <h1>The program asked for something that is not there</h1>
      <p class="trouble" role="alert">${text}</p>
      <p>Nothing was allowed. Its place is ${place(destinationOf(redirectUri))}.</p>
      <p><a href="${target}" rel="noreferrer">Go back to it</a></p>
    </article>`,
  );

const troubleTexts = {
  "not-a-key":
    "That is not an API key that is good here. It begins with sbk_; it may have expired, or been revoked, or its agent disabled.",
  "a-persons-key":
    "That is the key of a person. A program acts as an agent: type a key of the agent. A person's is for administering and approving.",
} as const satisfies Record<NoActor, string>;

const vouching = (host: string | null): Markup =>
  host === null
    ? html` <span class="hint">(its own word; nobody has checked it)</span>`
    : html` <span class="hint">(so says <strong>${host}</strong>, where it is from)</span>`;

function place(destination: Destination | null): Markup {
  switch (destination?.kind) {
    case "this-machine":
      return html`<strong>this computer</strong> (${destination.host}): the program that listens there`;
    case "site":
      return html`the site <strong>${destination.host}</strong>`;
    case "program":
      return html`the program that this computer opens <strong>${destination.scheme}:</strong> links with`;
    case undefined:
      return nothing; // every address was looked at when it was registered
  }
}

const scopeTexts = {
  "mcp:read": "list tools, and read resources and prompts",
  "mcp:call": "call tools",
} as const satisfies Record<OfferedScope, string>;

const list = (scopes: readonly OfferedScope[]): Markup => ({
  markup: scopes.map((scope) => html`<li>${scopeTexts[scope]}</li> `.markup).join(""),
});
