import type { Result } from "../base/index.ts";
import { invariant } from "../base/index.ts";
import type { CatalogInput } from "./catalog.ts";
import type { PolicyInput } from "./compile.ts";
import { compilePolicies } from "./compile.ts";
import type { PolicySet } from "./policy-set.ts";
import type { PolicyProblem } from "./problem.ts";

/**
 *  loaded   a set is in force; `warnings` are worth a look
 *  refused  the newest texts were refused; what was in force before still is (at first: nothing, and all is denied)
 *  misfit   the policies in force no longer fit some tool: its calls are denied
 */
export type PolicyEvent =
  | { readonly kind: "loaded"; readonly set: PolicySet; readonly warnings: readonly PolicyProblem[] }
  | { readonly kind: "refused"; readonly problems: readonly PolicyProblem[]; readonly inForce: PolicySet }
  | { readonly kind: "misfit"; readonly problems: readonly PolicyProblem[] };

export interface PoliciesOptions {
  readonly catalog: CatalogInput;
  readonly obligations?: readonly string[];
  /** Told at once, in order. Must not throw. */
  readonly listen: (event: PolicyEvent) => void;
}

/**
 * The policies in force for one tenant, replaced while calls run: a call uses the set it got from `current()` to its end. A
 * broken text keeps the last good set and stays visible in `problems` until a good one arrives. Before the first load everything
 * is denied.
 */
export class Policies {
  readonly #options: PoliciesOptions;
  #catalog: CatalogInput;
  #current: PolicySet;
  #problems: readonly PolicyProblem[] = [];
  #wasLoaded = false;

  constructor(options: PoliciesOptions) {
    this.#options = options;
    this.#catalog = options.catalog;
    const empty = compilePolicies({ files: [], catalog: options.catalog });
    invariant(empty.ok, "no policies always compile");
    this.#current = empty.value;
  }

  current(): PolicySet {
    return this.#current;
  }

  /** Whether any text has ever been accepted. */
  get wasLoaded(): boolean {
    return this.#wasLoaded;
  }

  /** Why the newest texts are not in force; empty = they are. For health and the console. */
  get problems(): readonly PolicyProblem[] {
    return this.#problems;
  }

  /** `toolProblems` as in `compilePolicies`: "deny" for texts that were accepted before, as at start. */
  load(input: Pick<PolicyInput, "files" | "toolProblems">): Result<PolicySet, readonly PolicyProblem[]> {
    const { obligations } = this.#options;
    const compiled = compilePolicies({
      ...input,
      catalog: this.#catalog,
      ...(obligations === undefined ? {} : { obligations }),
    });
    if (!compiled.ok) {
      this.#problems = compiled.refusal;
      this.#options.listen({ kind: "refused", problems: compiled.refusal, inForce: this.#current });
      return compiled;
    }
    this.#current = compiled.value;
    this.#problems = [];
    this.#wasLoaded = true;
    this.#options.listen({ kind: "loaded", set: compiled.value, warnings: compiled.value.warnings });
    return compiled;
  }

  /** Servers or tools changed. Tools that did not keep their partitions and remembered decisions. */
  updateCatalog(catalog: CatalogInput): PolicySet {
    this.#catalog = catalog;
    this.#current = this.#current.withCatalog(catalog);
    const { errors } = this.#current;
    if (errors.length > 0) this.#options.listen({ kind: "misfit", problems: errors });
    return this.#current;
  }

  /** Looks at every tool for policies that no longer fit, and tells. Call it when there is time, not in a call. */
  checkTools(): readonly PolicyProblem[] {
    const problems = this.#current.toolProblems().filter(({ severity }) => severity === "error");
    if (problems.length > 0) this.#options.listen({ kind: "misfit", problems });
    return problems;
  }
}
