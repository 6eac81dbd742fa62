/**
 * registry: servers, tools, resources, prompts, skills, classes, versions, pins, health; policies and limits by version, as records. Opens no connection.
 *
 * A server is added by an administrator or by the configuration file. What it offers comes in through `offer`: a tool seen for
 * the first time is pinned as it stands; one whose definition differs from its pin is quarantined until a person approves the
 * difference; one that is no longer offered is gone. Definitions and server records are kept by version.
 *
 *     (new) ──► live ──► quarantined ──► live      approved, or the server went back to the pinned definition
 *                 └──────────┴──► gone ──► live    offered again as pinned (otherwise quarantined)
 *
 * What a server offers may depend on what a client can do, so catalogues are kept per server and profile. The base, a client that
 * declares nothing, is always there; it stands in for a profile that was not asked for yet. Tools are on record with their pins;
 * resources, templates, prompts and skills are remembered as they were last listed (`offerFeatures`), and gone after a restart.
 *
 * Verbs return a `Change`: nothing is durable before its writes are committed, and memory moves only in `applied`.
 *
 * Identities: ServerId (stable through renames, never used again), Pin, tool ids `<server id>/<upstream name>`. The exposed name
 * is an alias, unique per tenant also against look-alikes; the first owner keeps it. Names of tools that begin with `signalbox__`
 * are a node's own (`own-tools.ts`): found by name and id, and in no list of servers or tools. URIs are exposed as they are; of two servers
 * that list one, the older has it. What stands in the directory of a listed skill is its server's.
 * Bounds: 1,000 servers per tenant, 2,000 tools offered and 4,000 known per server, 32 definitions kept per tool, 4 MiB of policy text
 * per version, 1,000 agents with limits of their own; 32 profiles per server, of each 5,000 resources, templates, prompts and skills and 8 MiB; see the constants. Memory holds
 * every pinned definition.
 * Errors: refusals `invalid-params`, `not-found`, `conflict`, `unknown-tool`, `unknown-resource`, `unknown-prompt`,
 * `tool-unavailable`, `tool-quarantined`; faults are the store's.
 * Signals: `onChange` per tenant after its revision grew, `onListChanged` with the lists that clients may see differently,
 * `onHealth` for each transition, `limits.onChange`.
 */
export type { FileApplication, FileSection, FileStep } from "./apply-file.ts";
export type { Collision } from "./catalogue.ts";
export { diffDefinitions } from "./diff.ts";
export type { DefinitionDiff, Difference } from "./diff.ts";
export { reservedServerName, serverNameMax, serverNamePattern } from "./exposed-name.ts";
export type { HealthTransition } from "./health.ts";
export type { DefinitionVersion, ServerVersion } from "./history.ts";
export { callsMaxMax, limitDefaults, limitedAgentsMax } from "./limits.ts";
export type { Limits } from "./limits.ts";
export type { LimitVersion, LimitsOrigin } from "./limit-versions.ts";
export type { AddedTool, ChangedTool, Offer, OfferReport } from "./offer.ts";
export type { RefusedDefinition } from "./parse-definition.ts";
export { noCapabilities, profileOf } from "./profile.ts";
export type { Profile } from "./profile.ts";
export type { Features, ListKind, Prompt, Resource, Subject } from "./subject.ts";
export { oauthAlgorithms } from "./oauth-settings.ts";
export type { OAuthAlgorithm, OAuthSettings } from "./oauth-settings.ts";
export { askBytesMax, askTool, isOwnTool, ownServer } from "./own-tools.ts";
export { isOwnEndpoint } from "./own-endpoint.ts";
export { policySourcesMax } from "./policy-versions.ts";
export type { ActivePolicies, PolicySource, PolicyVersion } from "./policy-versions.ts";
export type {
  Era,
  Health,
  HealthCause,
  Pin,
  ServerId,
  ServerRecord,
  Tool,
  ToolClass,
  ToolDefinition,
  ToolProbe,
  ToolState,
  Transport,
} from "./records.ts";
export type { RefusedFeature } from "./parse-features.ts";
export { Registry } from "./registry.ts";
export type { RegistryOptions } from "./registry.ts";
export { serverBounds, serverDefaults, serverProblems, vaultNamePattern } from "./server-input.ts";
export type { InputProblem } from "./input-problem.ts";
export type { SecretText } from "./secret-text.ts";
export type { ServerInput, ServerSettings } from "./server-input.ts";
export type { Listed } from "./views.ts";
export { skillsExtension, skillsIn } from "./skills.ts";
export { registryTables } from "./tables.ts";
export { probeBounds, probeDefaults, probeOf, sameClass } from "./tool-class.ts";
export type { ApprovedPin } from "./tool-verbs.ts";
