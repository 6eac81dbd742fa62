import type { Result, Sha256Hex } from "../base/index.ts";
import { canonicalDigest, ok, refuse } from "../base/index.ts";
import type { ArgumentType } from "./argument-type.ts";
import { noArguments } from "./argument-type.ts";
import type { KnownTool } from "./catalog.ts";
import type { Clause, PolicyJson } from "./cedar.ts";
import type { ResolvedPolicy } from "./names.ts";
import type { NumberProblem } from "./numbers.ts";
import { rewriteNumbers } from "./numbers.ts";
import type { Ticket } from "./preparsed.ts";
import { preparsedSets } from "./preparsed.ts";
import type { Reads } from "./reads.ts";
import { readsBelow, readsOf } from "./reads.ts";
import type { PolicyProblem } from "./problem.ts";
import { validateForTool } from "./validation.ts";
import { at } from "./source.ts";

/**
 * The policies that can decide one action on one tool (or on any resource no policy names), ready to be asked. Built when first
 * needed; it stays while its policies and its tool stay.
 */
export class Partition {
  /** Unique while a cache lives; part of cache keys. */
  readonly ordinal: number;
  readonly members: readonly ResolvedPolicy[];
  /** null = arguments have no schema here. */
  readonly tool: KnownTool | null;
  /** Places of members with conditions: what Cedar is asked about. The others are settled by their scope alone. */
  readonly conditional: readonly number[];
  readonly reads: Reads;
  readonly digest: Sha256Hex;
  readonly #json: readonly PolicyJson[];
  readonly #numberProblems: readonly PolicyProblem[];
  readonly #shared: SharedSets;
  #problems: readonly PolicyProblem[] | null = null;
  #key: string | null = null;

  constructor(
    ordinal: number,
    members: readonly ResolvedPolicy[],
    tool: KnownTool | null,
    shared: SharedSets,
  ) {
    this.ordinal = ordinal;
    this.members = members;
    this.tool = tool;
    this.#shared = shared;
    const problems: PolicyProblem[] = [];
    this.#json = members.map((member) => decimalForm(member, tool, problems));
    this.#numberProblems = problems;
    this.conditional = members.flatMap(({ json }, place) => (json.conditions.length > 0 ? [place] : []));
    this.reads = readsOf(this.#conditionalJson().map(([, json]) => unscoped(json)));
    this.digest = digestOf(members);
  }

  get argumentsType(): ArgumentType {
    return this.tool?.argumentsType() ?? noArguments;
  }

  /**
   * Where policies do not fit the tool's schema. With an error among them the partition denies everything: a policy that cannot
   * be evaluated as it was meant is an evaluation error.
   */
  problems(adminActions: ReadonlySet<string>): readonly PolicyProblem[] {
    this.#problems ??= [...this.#numberProblems, ...this.#validate(adminActions)];
    return this.#problems;
  }

  /** The name to ask the wasm module under; preparses when it is not there (any more). */
  preparsed(): Result<string, string> {
    this.#key ??= this.#shareKey();
    return this.#shared.nameOf(this.#key, () => questionForm(this.#conditionalJson()));
  }

  #validate(adminActions: ReadonlySet<string>): readonly PolicyProblem[] {
    if (this.tool === null || this.#numberProblems.length > 0) return [];
    const readers = this.members.flatMap((member, place) => {
      const json = this.#json[place];
      return json !== undefined && readsArguments(json) ? [{ parsed: member.parsed, json }] : [];
    });
    return readers.length === 0 ? [] : validateForTool(readers, this.tool, adminActions);
  }

  #conditionalJson(): readonly (readonly [place: number, json: PolicyJson])[] {
    return this.conditional.flatMap((place) => {
      const json = this.#json[place];
      return json === undefined ? [] : [[place, json] as const];
    });
  }

  /** Partitions with the same policies share a preparsed set, unless the tool's schema shaped them. */
  #shareKey(): string {
    const own = readsBelow(this.reads.context, "args") === null ? "" : `for ${this.ordinal}: `;
    return own + this.conditional.map((place) => `${place} ${this.members[place]?.parsed.id}`).join("\n");
  }
}

/** Tickets of preparsed sets by what is in them. One per policy set. */
export class SharedSets {
  readonly #tickets = new Map<string, Ticket>();

  nameOf(key: string, policies: () => Readonly<Record<string, PolicyJson>>): Result<string, string> {
    const known = this.#tickets.get(key);
    const name = known === undefined ? null : preparsedSets.nameOf(known);
    if (name !== null) return ok(name);
    if (this.#tickets.size >= ticketsMax) this.#tickets.clear();
    const put = preparsedSets.put(policies());
    if (!put.ok) return refuse(put.refusal.map(({ message }) => message).join("; "));
    this.#tickets.set(key, put.value);
    return ok(preparsedSets.nameOf(put.value) ?? "");
  }
}

/** More than the module ever holds; a ticket is a hundred bytes. */
const ticketsMax = 10_000;

export const readsArguments = (json: PolicyJson): boolean =>
  readsBelow(readsOf([json]).context, "args") !== null;

function decimalForm(member: ResolvedPolicy, tool: KnownTool | null, problems: PolicyProblem[]): PolicyJson {
  if (tool === null || !readsArguments(member.json)) return member.json;
  const found: NumberProblem[] = [];
  const conditions = member.json.conditions.map((clause): Clause => ({
    kind: clause.kind,
    body: rewriteNumbers(clause.body, tool.argumentsType(), found),
  }));
  for (const { message, hint } of found)
    problems.push({ ...at(member.parsed, message, hint), tool: tool.id });
  return { ...member.json, conditions };
}

/** Action and resource hold for everything the partition is asked about, so Cedar need not look again. */
const unscoped = (json: PolicyJson): PolicyJson => ({
  ...json,
  action: { op: "All" },
  resource: { op: "All" },
});

/**
 * Every policy as a permit, named by its place. Cedar then answers all policies that are satisfied, permits and forbids alike,
 * in one go; asked as written it would hide the permits behind the first forbid, and `approve` needs both.
 */
function questionForm(
  policies: readonly (readonly [place: number, json: PolicyJson])[],
): Readonly<Record<string, PolicyJson>> {
  return Object.fromEntries(
    policies.map(([place, json]) => [
      String(place),
      { ...unscoped(json), effect: "permit", annotations: {} },
    ]),
  );
}

/** Texts, not places: moving a policy to another line changes no approval. Names count with what they stand for. */
function digestOf(members: readonly ResolvedPolicy[]): Sha256Hex {
  const policies = members
    .map(({ parsed, lookups }) => ({ text: parsed.text, names: lookups }))
    .toSorted((a, b) => (a.text < b.text ? -1 : 1));
  return canonicalDigest({ v: 1, policies });
}
