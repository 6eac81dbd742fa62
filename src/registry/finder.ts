import { canonicalDigest } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Catalogue, ServerShelf } from "./catalogue.ts";
import { lookalikeKey, reservedServerName } from "./exposed-name.ts";
import type { FeatureBook, Offering } from "./feature-book.ts";
import type { Item, TemplateItem } from "./parse-features.ts";
import { isRespelt, isAddressable, uriCharsMax } from "./parse-features.ts";
import type { Profile } from "./profile.ts";
import type { Pin } from "./records.ts";
import type { Prompt, Resource } from "./subject.ts";
import { directoriesOf, manifestIn, skillsIn } from "./skills.ts";
import type { Subjects } from "./subjects.ts";
import { fitCost, fits } from "./uri-template.ts";
import type { Views } from "./views.ts";

export interface FinderOptions {
  readonly catalogue: Catalogue;
  readonly book: FeatureBook;
  readonly subjects: Subjects;
  readonly views: Views;
}

/** Of all templates that one URI is held against: a thousand that begin like it, and a few milliseconds. */
const fitStepsMax = 300_000;

/** Finds what a call names: in the lists of its profile, and beyond them where it can only be one server's. */
export class Finder {
  private readonly options: FinderOptions;

  constructor(options: FinderOptions) {
    this.options = options;
  }

  resourceAt(tenant: TenantId, uri: string, serverName: string | null, profile: Profile): Resource | null {
    if (serverName === null) {
      const listed = this.options.views.of(tenant, profile).addresses.listedAt(uri);
      if (listed !== null) return listed;
    }
    if (uri.length > uriCharsMax || !isAddressable(uri)) return null;
    if (serverName !== null) return this.resourceOn(tenant, uri, serverName, profile);
    const servers = this.options.catalogue.enabledByAge(tenant);
    const isPlain = !isRespelt(uri);
    const inSkill = isPlain ? this.options.views.of(tenant, profile).addresses.inSkill(uri) : null;
    const found = inSkill ?? this.listed(servers, uri, "resources", profile);
    if (found !== null || !isPlain) return found;
    return this.fitting(servers, uri, profile) ?? this.onlyServer(servers, uri, profile);
  }

  /** `what` is asked for at this URI: as `resourceAt`, where that is a server that has such things. */
  skillAt(
    tenant: TenantId,
    uri: string,
    what: "skill" | "directory",
    serverName: string | null,
    profile: Profile,
  ): Resource | null {
    const found = this.resourceAt(tenant, uri, serverName, profile);
    const offering = found === null ? null : this.options.book.effective(found.server.id, profile);
    if (offering === null) return found; // nobody has listed this server yet, and it knows best
    const skills = skillsIn(offering.capabilities);
    return skills !== null && (what === "skill" || skills.directories) ? found : null;
  }

  templateAt(tenant: TenantId, text: string, profile: Profile): Resource | null {
    return (
      this.options.views.of(tenant, profile).byTemplate.get(text) ??
      this.listed(this.options.catalogue.enabledByAge(tenant), text, "templates", profile)
    );
  }

  promptNamed(tenant: TenantId, exposedName: string, profile: Profile): Prompt | null {
    const found = this.options.views.of(tenant, profile).byPrompt.get(exposedName);
    if (found !== undefined || !/^[A-Za-z0-9_-]+$/.test(exposedName)) return found ?? null;
    if (lookalikeKey(exposedName).startsWith(`${reservedServerName}__`)) return null;
    for (const shelf of this.options.catalogue.enabledByAge(tenant)) {
      const prefix = this.options.catalogue.prefixOf(shelf.entry);
      if (!exposedName.startsWith(prefix) || exposedName.length === prefix.length) continue;
      const offerings = this.options.book.all(shelf.entry.record.id);
      for (const item of offerings.flatMap((offering) => offering.prompts)) {
        if (this.options.subjects.exposedName(shelf, item) === exposedName)
          return this.options.subjects.prompt(shelf, item);
      }
      // Nobody has listed this server yet: a call may be what connects it, and it knows its prompts best.
      if (offerings.length === 0)
        return this.options.subjects.prompt(shelf, nameless(exposedName.slice(prefix.length)));
    }
    return null;
  }

  private resourceOn(tenant: TenantId, uri: string, serverName: string, profile: Profile): Resource | null {
    const { book, catalogue } = this.options;
    const id = catalogue.view(tenant).servers.get(serverName);
    const shelf = id === undefined ? null : catalogue.shelf(id);
    if (shelf === null) return null;
    const found = this.listed([shelf], uri, "resources", profile);
    if (found !== null || isRespelt(uri)) return found;
    const skill = this.skillOver(shelf, uri, profile);
    if (skill !== null) return this.options.subjects.addressed(shelf, uri, skill);
    const offering = book.effective(shelf.entry.record.id, profile);
    const isPossible = offering === null || hasResources(offering);
    return (
      this.fitting([shelf], uri, profile) ?? (isPossible ? this.options.subjects.unlisted(shelf, uri) : null)
    );
  }

  /** The skill of this server that the URI stands in. */
  private skillOver(shelf: ServerShelf, uri: string, profile: Profile): Item | null {
    const skills = this.options.book.effective(shelf.entry.record.id, profile)?.skills ?? [];
    if (skills.length === 0) return null;
    for (const directory of directoriesOf(uri)) {
      const found = itemNamed(skills, manifestIn(directory));
      if (found !== null) return found;
    }
    return null;
  }

  /** In what this profile is offered, then in what others are: which server is meant is no secret, and it decides itself. */
  private listed(
    servers: readonly ServerShelf[],
    name: string,
    kind: "resources" | "templates",
    profile: Profile,
  ): Resource | null {
    for (const offerings of this.passes(servers, profile)) {
      for (const { shelf, offering } of offerings) {
        const item = itemNamed(offering[kind], name);
        if (item !== null) return this.options.subjects.resource(shelf, item);
      }
    }
    return null;
  }

  /** Of several templates the one with the most fixed characters, of equals the older server's. */
  private fitting(servers: readonly ServerShelf[], uri: string, profile: Profile): Resource | null {
    let steps = fitStepsMax;
    for (const offerings of this.passes(servers, profile)) {
      let best: { shelf: ServerShelf; item: TemplateItem; literalChars: number } | null = null;
      for (const { shelf, offering } of offerings) {
        for (const item of offering.templates) {
          const { template } = item;
          if (template === null || template.literalChars <= (best?.literalChars ?? -1)) continue;
          steps -= fitCost(template, uri);
          if (steps < 0) return null;
          if (fits(template, uri)) best = { shelf, item, literalChars: template.literalChars };
        }
      }
      if (best !== null) return this.options.subjects.addressed(best.shelf, uri, best.item);
    }
    return null;
  }

  /** Where one server alone has resources, it knows best which; or skills, for an address that can only be one's. */
  private onlyServer(servers: readonly ServerShelf[], uri: string, profile: Profile): Resource | null {
    const all = servers.map((shelf) => ({
      shelf,
      offering: this.options.book.effective(shelf.entry.record.id, profile),
    }));
    const having = all.filter(({ offering }) => offering !== null && hasResources(offering));
    const skilled = uri.startsWith("skill://") ? having.filter(hasSkills) : [];
    const known = skilled.length > 0 ? skilled : having;
    const candidates = known.length > 0 ? known : all.filter(({ offering }) => offering === null);
    const only = candidates.length === 1 ? candidates[0] : undefined;
    return only === undefined ? null : this.options.subjects.unlisted(only.shelf, uri);
  }

  private passes(
    servers: readonly ServerShelf[],
    profile: Profile,
  ): readonly (readonly { shelf: ServerShelf; offering: Offering }[])[] {
    const { book } = this.options;
    const own: { shelf: ServerShelf; offering: Offering }[] = [];
    const others: { shelf: ServerShelf; offering: Offering }[] = [];
    for (const shelf of servers) {
      const { id } = shelf.entry.record;
      const effective = book.effective(id, profile);
      if (effective === null) continue;
      own.push({ shelf, offering: effective });
      for (const offering of book.all(id)) if (offering !== effective) others.push({ shelf, offering });
    }
    return [own, others];
  }
}

function nameless(name: string): Item {
  const definition = { name };
  const pin = canonicalDigest(definition) as Pin;
  return { name, definition, pin, mark: pin };
}

/** The items stand in the order of their names. */
function itemNamed<I extends Item>(items: readonly I[], name: string): I | null {
  let low = 0;
  for (let high = items.length; low < high;) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && item.name < name) low = middle + 1;
    else high = middle;
  }
  const found = items[low];
  return found?.name === name ? found : null;
}

const hasSkills = ({ offering }: { readonly offering: Offering | null }): boolean =>
  offering !== null && skillsIn(offering.capabilities) !== null;

const hasResources = ({ capabilities, resources, templates }: Offering): boolean =>
  typeof capabilities["resources"] === "object" || resources.length > 0 || templates.length > 0;
