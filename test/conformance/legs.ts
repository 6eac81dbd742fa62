import type { Era } from "./fixture/fixture.ts";
import { eras } from "./fixture/fixture.ts";

/** The two releases of the official suite: the newest stable one, and the one that knows the 2026 revision. */
export type Suite = "stable" | "preview";

export type Revision = "2025-03-26" | "2025-06-18" | "2025-11-25" | "2026-07-28";

/** One run of a suite: its clients speak this revision, and the server behind the gateway is of this era. */
export interface Leg {
  readonly suite: Suite;
  readonly revision: Revision;
  readonly upstream: Era;
}

export const legName = ({ suite, revision, upstream }: Leg): string =>
  `${suite} suite, ${revision}, upstream ${upstream}`;

const sessionRuns = [
  { suite: "stable", revision: "2025-06-18" },
  { suite: "stable", revision: "2025-11-25" },
  { suite: "preview", revision: "2025-03-26" },
  { suite: "preview", revision: "2025-06-18" },
  { suite: "preview", revision: "2025-11-25" },
] as const;

/** Clients that open a session, as all did until 2025. */
export const sessionLegs: readonly Leg[] = sessionRuns.flatMap((run) =>
  eras.map((upstream) => ({ ...run, upstream })),
);

/** Clients that send self-contained requests, as since 2026. */
export const statelessLegs: readonly Leg[] = eras.map((upstream) => ({
  suite: "preview",
  revision: "2026-07-28",
  upstream,
}));

/** Scenarios in which the suite is the server. */
export interface ClientRun {
  readonly suite: Suite;
  readonly revision: Revision;
  readonly scenarios: readonly string[];
}

/** Skills: what was listed is read when it is wanted, and what is not what was listed is not used. */
const skillScenarios = [
  "sep-2640-client-no-prefetch",
  "sep-2640-client-verify-digest",
  "sep-2640-client-verify-size",
  "sep-2640-client-verify-frontmatter",
];

const sessionScenarios = ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"];

export const clientRuns: readonly ClientRun[] = [
  { suite: "stable", revision: "2025-11-25", scenarios: sessionScenarios },
  { suite: "preview", revision: "2025-06-18", scenarios: ["initialize", "tools_call"] },
  {
    suite: "preview",
    revision: "2025-11-25",
    scenarios: [...sessionScenarios, "json-schema-2020-12-preservation", ...skillScenarios],
  },
  {
    suite: "preview",
    revision: "2026-07-28",
    scenarios: [
      "tools_call",
      "request-metadata",
      "http-standard-headers",
      "http-custom-headers",
      "http-invalid-tool-headers",
      "sep-2322-client-request-state",
      "json-schema-ref-no-deref",
      "json-schema-2020-12-preservation",
      ...skillScenarios,
    ],
  },
];

/** Those in which the gateway itself is the client: it gets its own tokens, at the suite's authorization servers. */
const authorizationScenarios: readonly string[] = [
  "auth/metadata-default",
  "auth/metadata-var1",
  "auth/metadata-var2",
  "auth/metadata-var3",
  "auth/metadata-issuer-mismatch",
  "auth/basic-cimd",
  "auth/pre-registration",
  "auth/scope-from-www-authenticate",
  "auth/scope-from-scopes-supported",
  "auth/scope-omitted-when-undefined",
  "auth/scope-step-up",
  "auth/scope-retry-limit",
  "auth/token-endpoint-auth-basic",
  "auth/token-endpoint-auth-post",
  "auth/token-endpoint-auth-none",
  "auth/resource-mismatch",
  "auth/offline-access-scope",
  "auth/offline-access-not-supported",
  "auth/authorization-server-migration",
  "auth/iss-supported",
  "auth/iss-not-advertised",
  "auth/iss-supported-missing",
  "auth/iss-wrong-issuer",
  "auth/iss-unexpected",
  "auth/iss-normalized",
  "auth/client-credentials-basic",
  "auth/client-credentials-jwt",
  "auth/dpop",
  "auth/dpop-nonce",
];

/** Once by the newest revision, and by the older ones what a server that opens a session could do to it, or what only they have. */
export const authorizationRuns: readonly ClientRun[] = [
  { suite: "preview", revision: "2026-07-28", scenarios: authorizationScenarios },
  {
    suite: "preview",
    revision: "2025-11-25",
    scenarios: [
      "auth/metadata-default",
      "auth/pre-registration",
      "auth/scope-step-up",
      "auth/scope-retry-limit",
    ],
  },
  { suite: "preview", revision: "2025-06-18", scenarios: ["auth/token-endpoint-auth-basic"] },
  {
    suite: "preview",
    revision: "2025-03-26",
    scenarios: ["auth/2025-03-26-oauth-metadata-backcompat", "auth/2025-03-26-oauth-endpoint-fallback"],
  },
];

/** Scenarios in which the suite is the server and that nobody runs, and why. */
export const leftOut: Readonly<Record<string, string>> = {
  "auth/enterprise-managed-authorization": "Not built: an identity provider that vouches for us.",
  "auth/cross-app-access-complete-flow": "The same, under its older name.",
  "auth/wif-jwt-bearer": "Not built: a workload's own identity in place of a client's.",
};
