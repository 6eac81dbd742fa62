import type { Announcer } from "./announcer.ts";
import type { Catalogue } from "./catalogue.ts";
import type { ServerEntry, ToolEntry } from "./entries.ts";
import type { FeatureBook } from "./feature-book.ts";
import type { HealthBoard } from "./health.ts";
import type { ServerId } from "./records.ts";
import type { ServerMemory } from "./server-verbs.ts";

/** What is in memory of servers and tools: changed once that is durable, and then announced. */
export class Holdings {
  private readonly catalogue: Catalogue;
  private readonly book: FeatureBook;
  private readonly health: HealthBoard;
  private readonly announcer: Announcer;
  /** For the verbs on servers. */
  readonly servers: ServerMemory;

  constructor(parts: {
    readonly catalogue: Catalogue;
    readonly book: FeatureBook;
    readonly health: HealthBoard;
    readonly announcer: Announcer;
  }) {
    const { catalogue } = parts;
    this.catalogue = catalogue;
    this.book = parts.book;
    this.health = parts.health;
    this.announcer = parts.announcer;
    this.servers = {
      count: (tenant) => catalogue.view(tenant).servers.size,
      named: (tenant, name) => {
        const id = catalogue.view(tenant).servers.get(name);
        return id === undefined ? null : (catalogue.shelf(id)?.entry ?? null);
      },
      put: (entry) => this.putServer(entry),
      drop: (entry) => this.drop(entry),
    };
  }

  putServer(entry: ServerEntry): void {
    const { record, settings } = entry;
    const old = this.catalogue.shelf(record.id)?.entry;
    // Another address or command is another thing to find out about.
    if (old !== undefined && old.settings.transport !== settings.transport) {
      if (JSON.stringify(old.settings.transport) !== JSON.stringify(settings.transport))
        this.forget(record.id);
    }
    this.catalogue.putServer(entry);
    this.announcer.changed(record.tenant, record.id);
  }

  drop({ record }: ServerEntry): void {
    this.catalogue.removeServer(record.id);
    this.forget(record.id);
    this.announcer.changed(record.tenant, record.id);
  }

  putTools(server: ServerId, entries: readonly ToolEntry[]): void {
    this.catalogue.putTools(server, entries);
    const tenant = this.catalogue.shelf(server)?.entry.record.tenant;
    if (tenant !== undefined) this.announcer.changed(tenant, server);
  }

  /** What was found out about it: its health, and what it offers. */
  private forget(server: ServerId): void {
    this.health.forget(server);
    this.book.forget(server);
  }
}
