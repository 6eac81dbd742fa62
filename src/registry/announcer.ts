import type { Clock } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Catalogue } from "./catalogue.ts";
import type { FeatureBook } from "./feature-book.ts";
import type { HealthBoard, HealthTransition } from "./health.ts";
import { ListWatch } from "./list-watch.ts";
import { Listeners } from "./listeners.ts";
import type { Health, ServerId, ServerRecord } from "./records.ts";
import type { ListKind } from "./subject.ts";

/** Tells whoever listens what has changed, after it has: in which tenant, whose health, and which lists clients now see differently. */
export class Announcer {
  readonly changes = new Listeners<[tenant: TenantId]>();
  readonly healths = new Listeners<[transition: HealthTransition]>();
  readonly lists = new Listeners<[tenant: TenantId, kinds: readonly ListKind[]]>();
  readonly policies = new Listeners<[tenant: TenantId]>();
  private readonly watch = new ListWatch();
  private readonly catalogue: Catalogue;
  private readonly book: FeatureBook;
  private readonly health: HealthBoard;
  private readonly clock: Clock;
  private readonly unprefixed: ServerId | boolean;

  constructor(parts: {
    readonly catalogue: Catalogue;
    readonly book: FeatureBook;
    readonly health: HealthBoard;
    readonly clock: Clock;
    readonly unprefixed: ServerId | boolean;
  }) {
    this.catalogue = parts.catalogue;
    this.book = parts.book;
    this.health = parts.health;
    this.clock = parts.clock;
    this.unprefixed = parts.unprefixed;
  }

  /** What is there now has not moved. */
  see(): void {
    for (const id of this.catalogue.serverIds()) this.movedLists(id);
  }

  /** Nobody listens any more. */
  clear(): void {
    for (const listeners of [this.changes, this.healths, this.lists, this.policies]) listeners.clear();
    this.watch.clear();
  }

  /** `server`: what was changed is about it. */
  changed(tenant: TenantId, server: ServerId): void {
    this.changes.tell(tenant);
    // A server that comes or goes may give the only other one its prefix or take it away.
    const others = this.unprefixed === true ? this.catalogue.serversOf(tenant) : [];
    const moved = [server, ...others.map(({ entry }) => entry.record.id)].flatMap((id) =>
      this.movedLists(id),
    );
    const kinds = new Set(moved);
    if (kinds.size > 0) this.lists.tell(tenant, [...kinds].sort());
  }

  /** `tool`: its id; null = the whole server's health. */
  moved(record: ServerRecord, tool: string | null, from: Health | null, to: Health): void {
    this.catalogue.bump(record.tenant);
    this.healths.tell({ tenant: record.tenant, server: record.id, tool, from, to });
    this.changed(record.tenant, record.id);
  }

  private movedLists(id: ServerId): readonly ListKind[] {
    const shelf = this.catalogue.shelf(id);
    if (shelf === null) return this.watch.gone(id);
    const isDown = this.health.server(id, this.clock.wall()).state === "down";
    return this.watch.moved(shelf, {
      prefix: this.catalogue.prefixOf(shelf.entry),
      isUp: shelf.entry.record.enabled && !isDown,
      isToolUp: (tool) => this.health.tool(id, tool)?.state !== "down",
      offerings: this.book.all(id),
    });
  }
}
