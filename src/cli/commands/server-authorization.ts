import type { Command } from "commander";
import { api } from "../client.ts";
import { apiVerb, run } from "../session.ts";
import type { Field, ReceiptReference } from "../show.ts";
import { done, instantText, shown } from "../show.ts";
import type { Terminal } from "../terminal.ts";

/** As `/servers/{server}` shows it; null = its settings ask for no token. */
export interface Authorization {
  readonly state: "authorized" | "needed";
  readonly issuer: string | null;
  readonly scope: string | null;
  readonly expiresAt: string | null;
  readonly canRenew: boolean;
  readonly wanted: string | null;
}

interface Started {
  readonly url: string;
  readonly issuer: string;
  readonly scope: string | null;
  readonly confirmation: string;
  readonly expiresAt: string;
  readonly receipt: ReceiptReference;
}

export function serverAuthorizationVerbs(servers: Command, terminal: Terminal): void {
  apiVerb(servers, {
    usage: "authorize <server>",
    summary: "Begin an authorization: prints the address to open in a browser",
    notes:
      "Sign in there, then type the code that is shown here on the page that follows. It is valid for ten minutes; a second start makes the first one void.",
    example: "signalbox servers authorize github",
  }).action(
    run(terminal, async (session, server: string) => {
      const answer = await session.api().post<Started>(api`/servers/${server}/authorize`);
      session.print(
        shown(answer, [
          ["open", answer.url],
          ["code to type", answer.confirmation, "bold"],
          ["signs in at", answer.issuer],
          ["asks for", answer.scope ?? "what the authorization server gives"],
          ["valid until", instantText(answer.expiresAt)],
        ]),
      );
    }),
  );

  apiVerb(servers, {
    usage: "deauthorize <server>",
    summary: "Forget the tokens of a server",
    notes: "The authorization server is not told; end the consent there as well.",
    example: "signalbox servers deauthorize github",
  }).action(
    run(terminal, async (session, server: string) => {
      const answer = await session
        .api()
        .post<{ receipt: ReceiptReference }>(api`/servers/${server}/deauthorize`);
      session.print(done(answer, `The tokens of the server ${server} are forgotten.`));
    }),
  );
}

export function authorizationFields(server: string, authorization: Authorization | null): readonly Field[] {
  if (authorization === null) return [];
  const { state, issuer, scope, expiresAt, canRenew, wanted } = authorization;
  const command = `signalbox servers authorize ${server}`;
  return [
    [
      "authorization",
      state === "authorized"
        ? `there is one, of ${issuer ?? "an issuer to be found"}`
        : `waits for: ${command}`,
      state === "authorized" ? "green" : "red",
    ],
    ["scopes", scope],
    [
      "token",
      expiresAt === null
        ? null
        : `until ${instantText(expiresAt) ?? ""}${canRenew ? ", then renewed" : ", and cannot be renewed"}`,
    ],
    ["scopes wanted", wanted === null ? null : `${wanted} (${command})`],
  ];
}
