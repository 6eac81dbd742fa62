import type { Era } from "./fixture/fixture.ts";
import type { ClientRun, Leg, Revision, Suite } from "./legs.ts";
import { scenarioOf } from "./outcomes.ts";

/** Checks that pass with the server alone and not through the gateway, and why that is as it should be, or is for now. */
interface Entry {
  readonly reason: string;
  /** `<scenario> <id>/<name>`. */
  readonly checks: readonly string[];
  /** Absent = all. */
  readonly suites?: readonly Suite[];
  readonly revisions?: readonly Revision[];
  readonly upstreams?: readonly Era[];
}

/**
 * What the fixture itself is warned of: the stable suite asks as a client of 2025-03-26, in which a stream begins without an event of
 * its own and says nothing about coming back. With the preview, which asks in the revision under test, the same checks pass.
 */
export const warnedAlone: ReadonlySet<string> = new Set([
  "server-sse-polling server-sse-priming-event/ServerSendsPrimingEvent",
  "server-sse-polling server-sse-retry-field/ServerSendsRetryField",
]);

const serverEntries: readonly Entry[] = [
  {
    reason:
      "The gateway answers in JSON when nothing precedes the answer; streams are optional there, and the suite only notes it.",
    revisions: ["2025-11-25"],
    checks: ["server-sse-multiple-streams server-sse-streams-functional/ServerSSEStreamsFunctional"],
  },
  {
    reason:
      "The same: the tool of this scenario says nothing before its answer, so there is no stream to begin with a name, or to come back to.",
    suites: ["preview"],
    revisions: ["2025-11-25"],
    checks: [
      "server-sse-polling server-sse-disconnect-resume/ServerDisconnectResume",
      "server-sse-polling server-sse-priming-event/ServerSendsPrimingEvent",
      "server-sse-polling server-sse-retry-field/ServerSendsRetryField",
    ],
  },
  {
    reason:
      "A legacy server names no questions; the gateway does, and the suite waits for one name in particular.",
    revisions: ["2026-07-28"],
    upstreams: ["legacy"],
    checks: [
      "input-required-result-basic-elicitation sep-2322-elicitation-complete/InputRequiredResultElicitationComplete",
      "input-required-result-basic-elicitation sep-2322-elicitation-incomplete/InputRequiredResultElicitationIncomplete",
    ],
  },
  {
    reason:
      "A call that a legacy server holds open is under way, and an identical one beside it is refused with a pointer to it. The suite never answers some of its calls, and makes them again.",
    revisions: ["2026-07-28"],
    upstreams: ["legacy"],
    checks: ["input-required-result-result-type sep-2322-result-type-included/ResultTypeIncluded"],
  },
  {
    reason:
      "The same. Here the first call is one that the suite could not answer, as its question has another name.",
    revisions: ["2026-07-28"],
    upstreams: ["legacy"],
    checks: [
      "input-required-result-missing-input-response sep-2322-missing-response-rerequests/InputRequiredResultMissingResponseRerequests",
    ],
  },
  {
    reason: "A legacy server has no error that says which capability of the client it misses.",
    revisions: ["2026-07-28"],
    upstreams: ["legacy"],
    checks: [
      "server-stateless sep-2575-missing-capability-http-400/MissingCapabilityHttp400",
      "server-stateless sep-2575-server-rejects-undeclared-capability/ServerRejectsUndeclaredCapability",
    ],
  },
];

const clientEntries: readonly Omit<Entry, "upstreams">[] = [
  {
    reason:
      "Arguments that do not fit the tool's schema are refused before they are sent, and the null of this call is no boolean.",
    revisions: ["2026-07-28"],
    checks: [
      "http-custom-headers sep-2243-client-omit-null/ClientCustomHeaderOmitNull",
      "http-custom-headers sep-2243-client-omit-null/NotObserved",
    ],
  },
  {
    reason: "A node on loopback has no address at https under which its metadata document could be its name.",
    revisions: ["2026-07-28"],
    checks: ["auth/basic-cimd cimd-client-id-used/Client ID Metadata Document Usage"],
  },
  {
    reason:
      "Where an authorization server has no metadata its addresses are not guessed, as clients of 2025-03-26 did and later ones do not: nothing would say that it knows PKCE.",
    revisions: ["2025-03-26"],
    checks: [
      "auth/2025-03-26-oauth-endpoint-fallback authorization-request/Expected Check Missing: authorization-request",
      "auth/2025-03-26-oauth-endpoint-fallback client-registration/Expected Check Missing: client-registration",
      "auth/2025-03-26-oauth-endpoint-fallback token-request/Expected Check Missing: token-request",
    ],
  },
];

/** The checks given up in this leg. Every one of them has to fail, or its entry is stale and fails the run. */
export function baselineFor(leg: Leg): ReadonlySet<string> {
  const here = serverEntries.filter(
    (entry) => applies(entry, leg) && (entry.upstreams ?? [leg.upstream]).includes(leg.upstream),
  );
  return new Set(here.flatMap(({ checks }) => checks));
}

/** The same for scenarios in which the suite is the server. */
export function clientBaselineFor(run: ClientRun): ReadonlySet<string> {
  const here = clientEntries.filter((entry) => applies(entry, run)).flatMap(({ checks }) => checks);
  return new Set(here.filter((check) => run.scenarios.includes(scenarioOf(check))));
}

const applies = (
  entry: Omit<Entry, "upstreams">,
  { suite, revision }: Pick<Leg, "suite" | "revision">,
): boolean => (entry.suites ?? [suite]).includes(suite) && (entry.revisions ?? [revision]).includes(revision);
