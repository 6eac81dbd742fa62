import type { ServerShelf } from "./catalogue.ts";
import type { Offering } from "./feature-book.ts";
import type { Item } from "./parse-features.ts";
import { directoriesOf, skillRoot } from "./skills.ts";
import type { Subjects } from "./subjects.ts";
import type { Resource } from "./subject.ts";

/**
 * Whose a URI is, over the servers of a tenant. Whoever came first keeps it: what it lists, and what stands in the directories of its
 * skills, because a file there is part of what its readers trust. A skill is listed only when it can be read where it was listed.
 */
export class Addresses {
  readonly resources = new Map<string, Resource>();
  /** By the URI of their `SKILL.md`. */
  readonly skills = new Map<string, Resource>();
  private readonly subjects: Subjects;
  private readonly directories = new Map<string, { readonly shelf: ServerShelf; readonly skill: Item }>();

  constructor(subjects: Subjects) {
    this.subjects = subjects;
  }

  /** The older server first. */
  add(shelf: ServerShelf, { resources, skills }: Offering): void {
    for (const item of resources) {
      if (this.listedAt(item.name) !== null || this.isOfOther(shelf, item.name)) continue;
      this.resources.set(item.name, this.subjects.resource(shelf, item));
    }
    for (const item of skills) this.addSkill(shelf, item);
  }

  listedAt(uri: string): Resource | null {
    return this.resources.get(uri) ?? this.skills.get(uri) ?? null;
  }

  /** The file or directory at this URI, where it stands in a skill that is listed. */
  inSkill(uri: string): Resource | null {
    const found = this.directoryOver(uri);
    return found === null ? null : this.subjects.addressed(found.shelf, uri, found.skill);
  }

  private addSkill(shelf: ServerShelf, item: Item): void {
    const root = skillRoot(item.name);
    const owner = this.listedAt(item.name);
    const isTaken = owner !== null && owner.server.id !== shelf.entry.record.id;
    if (root === null || isTaken || this.isOfOther(shelf, item.name)) return;
    this.skills.set(item.name, this.subjects.resource(shelf, item));
    this.directories.set(root, { shelf, skill: item });
  }

  private isOfOther(shelf: ServerShelf, uri: string): boolean {
    const found = this.directoryOver(uri);
    return found !== null && found.shelf !== shelf;
  }

  private directoryOver(uri: string): { readonly shelf: ServerShelf; readonly skill: Item } | null {
    if (this.directories.size === 0) return null;
    for (const directory of directoriesOf(uri)) {
      const found = this.directories.get(directory);
      if (found !== undefined) return found;
    }
    return null;
  }
}
