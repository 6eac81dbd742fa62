/**
 * policy: Cedar text in, compiled set out; lint, decide, explain, test. Pure evaluation: no I/O, no clock, no randomness.
 *
 * Identities it hands out: policy ids (`@id`, or `<file>:<line>`), the version of a set (digest of its texts) and the digest of
 * the partition that decides one tool. Bounds: 10,000 policies and 8 MB of text in a set, 400 operators in a policy; 512
 * preparsed partitions and 20,000 policies in the wasm module; 100,000 remembered decisions. Errors: `PolicyProblem`s for text
 * that is refused; a decision is never an exception, whatever goes wrong is a deny that names it. Signals: `Policies` tells its
 * listener when a set is replaced or refused.
 *
 * A set is asked with `decide`. It finds the partition of the tool, maps only those values its policies read, settles policies
 * without conditions by their scope, and asks Cedar about the others once for every identity on the principal's chain. One
 * `Policies` serves one tenant.
 */
export { permitsAdministration } from "./administration.ts";
export type { ApprovalRule, DecidingPolicy, Decision, EscalationStep } from "./decision.ts";
export type { CatalogInput, CatalogTool } from "./catalog.ts";
export { compilePolicies } from "./compile.ts";
export type { PolicyInput } from "./compile.ts";
export { devPolicies, servePolicies } from "./default-policies.ts";
export { explainDecision } from "./explain.ts";
export type { Explanation, PolicyExplanation, PolicyFinding } from "./explain.ts";
export { Policies } from "./policies.ts";
export type { PoliciesOptions, PolicyEvent } from "./policies.ts";
export { testCatalogInput, testPolicies } from "./policy-tests.ts";
export type { PolicyTestReport, PolicyTestResult } from "./policy-tests.ts";
export type { PolicySet } from "./policy-set.ts";
export { problemText } from "./problem.ts";
export type { PolicyProblem } from "./problem.ts";
export type { DecideRequest, PolicyAction, PolicyResource, RunContext } from "./request.ts";
export type { PolicyFile } from "./source.ts";
export { parsePolicyTests } from "./test-file.ts";
export type { PolicyTest, PolicyTestFile } from "./test-file.ts";
