/**
 * admin: the HTTP API behind console and command line, under /api/v1. One closed table of routes is what is served, checked,
 * documented (OpenAPI 3.1) and tested. Has no rule of its own: what may be done is policy's to say, and what can be done is said
 * by the rooms whose verbs it calls.
 *
 * A request: matched, authenticated (Bearer), its parameters and body read and checked against the route's schemas, authorised
 * (`admin.<noun>.<verb>` on the actor's tenant), carried out. An act commits its change and its ledger entry in one transaction,
 * then the room's memory follows; it answers with the receipt's reference. An act that is refused leaves an entry as well, and so
 * does everything policy refuses. Nobody sees or touches another tenant: what is someone else's looks missing.
 *
 * Identities: request ids (`req_…`), act ids (`act_…`), summary ids (`sum_…`). Bounds: bodies of 1 MiB, pages of 500, 5,000 entries
 * looked through per page, 60 refusal entries per principal and minute (more are counted in one). Errors: rows of
 * contract/codes.ts as HTTP statuses; nothing is thrown out of `handle`. Signals: `onTrouble` for bugs and an unwritable ledger.
 *
 * `Acts` is also how `app` records what servers offer and what the configuration file says: the same acts by the node itself.
 */
export { Acts } from "./act.ts";
export type { Act, ActsOptions, Done, Note } from "./act.ts";
export { Admin } from "./admin.ts";
export { CredentialKeeper } from "./credential-keeper.ts";
export { applyFileSection } from "./apply-file.ts";
export type { ApplyFileOptions } from "./apply-file.ts";
export type { PolicyDesk, Rooms } from "./house.ts";
export { adminActions, apiDescription } from "./routes.ts";
