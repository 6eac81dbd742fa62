import type { TenantId } from "../identity/index.ts";
import { Addresses } from "./addresses.ts";
import type { Catalogue, ServerShelf } from "./catalogue.ts";
import { lookalikeKey, reservedServerName } from "./exposed-name.ts";
import type { FeatureBook, Offering } from "./feature-book.ts";
import type { Item } from "./parse-features.ts";
import type { Profile } from "./profile.ts";
import type { ServerRecord, Tool } from "./records.ts";
import type { Features, Prompt, Resource } from "./subject.ts";
import type { Subjects } from "./subjects.ts";

export interface ViewsOptions {
  readonly catalogue: Catalogue;
  readonly book: FeatureBook;
  readonly subjects: Subjects;
  /** Whether what this server offers may be shown: it is enabled and not down. */
  readonly isUp: (server: ServerRecord) => boolean;
  readonly isCallable: (tool: Tool) => boolean;
}

/** All that one server lists, each list in the order of its names. */
export interface Listed {
  /** How many kinds of clients it was asked for; 0 = nothing is known of it yet. */
  readonly profiles: number;
  readonly resources: readonly Resource[];
  readonly templates: readonly Resource[];
  readonly prompts: readonly Prompt[];
  /** Each under the URI of its `SKILL.md`, with its entry as definition. */
  readonly skills: readonly Resource[];
}

/** What the servers of a tenant together offer to one profile. */
interface View {
  readonly revision: number;
  /** Each list in its order, of servers that are up. */
  readonly tools: readonly Tool[];
  readonly resources: readonly Resource[];
  readonly templates: readonly Resource[];
  readonly prompts: readonly Prompt[];
  readonly skills: readonly Resource[];
  /** Of all enabled servers, well or not: a call says better than "unknown" what is wrong. */
  readonly addresses: Pick<Addresses, "listedAt" | "inSkill">;
  readonly byTemplate: ReadonlyMap<string, Resource>;
  readonly byPrompt: ReadonlyMap<string, Prompt>;
}

/** Views kept per tenant. A profile more costs building its view anew: a millisecond for thousands of things. */
const viewsPerTenantMax = 64;
/** Composes what single servers offer to each profile. Kept until the tenant's revision grows. */
export class Views {
  private readonly options: ViewsOptions;
  private readonly tenants = new Map<TenantId, Map<string, View>>();
  private readonly described = new WeakMap<Offering, Features>();

  constructor(options: ViewsOptions) {
    this.options = options;
  }

  clear(): void {
    this.tenants.clear();
  }

  of(tenant: TenantId, profile: Profile): View {
    const { revision } = this.options.catalogue.view(tenant);
    const views = this.tenants.get(tenant) ?? new Map<string, View>();
    this.tenants.set(tenant, views);
    const known = views.get(profile.key);
    if (known?.revision === revision) return known;
    const view = this.build(tenant, profile, revision);
    views.delete(profile.key);
    views.set(profile.key, view);
    for (const oldest of views.keys()) {
      if (views.size <= viewsPerTenantMax) break;
      views.delete(oldest);
    }
    return view;
  }

  /** What one server lists, to whichever profile, enabled and well or not; as the base sees it where it does. */
  listedBy(shelf: ServerShelf): Listed {
    const offerings = this.options.book.all(shelf.entry.record.id);
    const resources = firsts(offerings.map((offering) => offering.resources));
    const templates = firsts(offerings.map((offering) => offering.templates));
    const prompts = firsts(offerings.map((offering) => offering.prompts));
    const skills = firsts(offerings.map((offering) => offering.skills));
    return {
      profiles: offerings.length,
      resources: resources.map((item) => this.options.subjects.resource(shelf, item)),
      templates: templates.map((item) => this.options.subjects.resource(shelf, item)),
      prompts: prompts.map((item) => this.options.subjects.prompt(shelf, item)),
      skills: skills.map((item) => this.options.subjects.resource(shelf, item)),
    };
  }

  /** Enabled servers of which something is known, by name. */
  featuresOf(tenant: TenantId, profile: Profile): { server: ServerRecord; features: Features }[] {
    return this.enabled(tenant).flatMap(({ entry: { record } }) => {
      const offering = this.options.book.effective(record.id, profile);
      return offering === null ? [] : [{ server: record, features: this.describe(offering) }];
    });
  }

  private build(tenant: TenantId, profile: Profile, revision: number): View {
    const { catalogue, book, isUp } = this.options;
    const addresses = new Addresses(this.options.subjects);
    const byTemplate = new Map<string, Resource>();
    const byPrompt = new Map<string, Prompt>();
    const taken = new Set<string>();
    for (const shelf of this.options.catalogue.enabledByAge(tenant)) {
      const offering = book.effective(shelf.entry.record.id, profile);
      if (offering === null) continue;
      addresses.add(shelf, offering);
      for (const item of offering.templates)
        own(byTemplate, item.name, () => this.options.subjects.resource(shelf, item));
      for (const item of offering.prompts) {
        const exposedName = this.options.subjects.exposedName(shelf, item);
        const key = lookalikeKey(exposedName);
        if (taken.has(key) || key.startsWith(`${reservedServerName}__`)) continue;
        taken.add(key);
        byPrompt.set(exposedName, this.options.subjects.prompt(shelf, item));
      }
    }
    const shown = <S extends Resource | Prompt>(subjects: ReadonlyMap<string, S>): readonly S[] =>
      Object.freeze([...subjects.values()].filter(({ server }) => isUp(server)).sort(inOrder));
    const { ordered } = catalogue.view(tenant);
    return {
      revision,
      tools: Object.freeze(
        ordered.filter((tool) => this.isNamed(tool, profile) && this.options.isCallable(tool)),
      ),
      resources: shown(addresses.resources),
      templates: shown(byTemplate),
      prompts: shown(byPrompt),
      skills: shown(addresses.skills),
      addresses,
      byTemplate,
      byPrompt,
    };
  }

  /** Until a server has listed anything in this process, what is on record of it is what the base is offered. */
  private isNamed(tool: Tool, profile: Profile): boolean {
    const { book, catalogue } = this.options;
    const offering = book.effective(tool.server.id, profile);
    if (offering !== null) return offering.tools.has(tool.name);
    return catalogue.shelf(tool.server.id)?.tools.get(tool.name)?.home === null;
  }

  private enabled(tenant: TenantId): readonly ServerShelf[] {
    return this.options.catalogue.serversOf(tenant).filter(({ entry }) => entry.record.enabled);
  }

  private describe(offering: Offering): Features {
    const known = this.described.get(offering);
    if (known !== undefined) return known;
    const { capabilities, serverInfo, instructions, ttlMs, tools, resources, templates, prompts, skills } =
      offering;
    const definitions = (items: readonly Item[]) => items.map((item) => item.definition);
    const made: Features = Object.freeze({
      capabilities,
      serverInfo,
      instructions,
      ttlMs,
      tools: [...tools],
      resources: definitions(resources),
      templates: definitions(templates),
      prompts: definitions(prompts),
      skills: definitions(skills),
    });
    this.described.set(offering, made);
    return made;
  }
}

function own<V>(owned: Map<string, V>, name: string, make: () => V): void {
  if (!owned.has(name)) owned.set(name, make());
}

/** Of several with one name the first. */
function firsts(lists: readonly (readonly Item[])[]): readonly Item[] {
  const found = new Map<string, Item>();
  for (const item of lists.flat()) own(found, item.name, () => item);
  return [...found.values()].sort((a, b) => compare(a.name, b.name));
}

/** By server name, then by the name at the server, in code units: the same order on every machine and in every locale. */
const inOrder = (a: Resource | Prompt, b: Resource | Prompt): number =>
  compare(a.server.name, b.server.name) || compare(a.name, b.name);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
