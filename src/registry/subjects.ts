import { canonicalDigest } from "../base/index.ts";
import type { Catalogue, ServerShelf } from "./catalogue.ts";
import type { Item } from "./parse-features.ts";
import type { Pin, ServerRecord } from "./records.ts";
import type { Prompt, Resource } from "./subject.ts";

/** Makes of what a server lists what a call acts on. */
export class Subjects {
  private readonly catalogue: Catalogue;
  /** The same object as long as nothing about it changes, so that others may keep things by it. */
  private readonly made = new WeakMap<Item, Resource | Prompt>();

  constructor(catalogue: Catalogue) {
    this.catalogue = catalogue;
  }

  exposedName(shelf: ServerShelf, item: Item): string {
    return this.catalogue.exposedName(shelf.entry, item.name);
  }

  /** A resource under its URI, or a template under its text. */
  resource(shelf: ServerShelf, item: Item): Resource {
    const known = this.made.get(item);
    if (known?.kind === "resource" && known.server === shelf.entry.record) return known;
    const made = this.addressed(shelf, item.name, item);
    this.made.set(item, made);
    return made;
  }

  prompt(shelf: ServerShelf, item: Item): Prompt {
    const exposedName = this.exposedName(shelf, item);
    const known = this.made.get(item);
    if (
      known?.kind === "prompt" &&
      known.server === shelf.entry.record &&
      known.exposedName === exposedName
    ) {
      return known;
    }
    const { definition, pin } = item;
    const made: Prompt = Object.freeze({
      kind: "prompt",
      ...offeredBy(shelf.entry.record, item.name),
      exposedName,
      pin,
      definition,
    });
    this.made.set(item, made);
    return made;
  }

  /** A resource that fits this template. */
  addressed(shelf: ServerShelf, uri: string, item: Item): Resource {
    const { definition, pin } = item;
    return Object.freeze({
      kind: "resource",
      ...offeredBy(shelf.entry.record, uri),
      exposedName: uri,
      pin,
      definition,
    });
  }

  /** A resource known by its URI alone. */
  unlisted(shelf: ServerShelf, uri: string): Resource {
    const pin = canonicalDigest({ uri }) as Pin;
    return Object.freeze({
      kind: "resource",
      ...offeredBy(shelf.entry.record, uri),
      exposedName: uri,
      pin,
      definition: null,
    });
  }
}

const read = Object.freeze({ kind: "read" } as const);

const offeredBy = (server: ServerRecord, name: string) => ({
  tenant: server.tenant,
  server,
  name,
  id: `${server.id}/${name}`,
  class: read,
});
