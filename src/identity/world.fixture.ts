import { invariant, ManualClock, plusMs, seededRandom } from "../base/index.ts";
import type { Result, WallMs } from "../base/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import type { Change } from "../store/index.ts";
import { MemoryDatabase, openMemoryStore } from "../store/index.ts";
import type { IdentitiesOptions } from "./identities.ts";
import { Identities } from "./identities.ts";
import type { Principal } from "./principal.ts";
import { defaultTenant, systemTenant } from "./principal.ts";
import { identityTables } from "./tables.ts";

const tables = [...identityTables, ...keyTables];

/** A clock whose wall time can jump alone, as after the machine was suspended. */
class JumpyClock extends ManualClock {
  private jumpedMs = 0;

  override wall(): WallMs {
    return plusMs(super.wall(), this.jumpedMs);
  }
  jump(ms: number): void {
    this.jumpedMs += ms;
  }
}

/** For tests: one database and clock; each `node` is an installation's node with its own store, keys and identities. */
export class World {
  readonly clock = new JumpyClock();
  readonly database: MemoryDatabase;
  private readonly running: { stop(): Promise<void> }[] = [];
  private readonly name: string;
  private nodes = 0;

  constructor(name = "ours", database = new MemoryDatabase(tables)) {
    this.name = name;
    this.database = database;
  }

  async node(options: Partial<IdentitiesOptions> = {}) {
    const { clock, database } = this;
    const random = seededRandom(`${this.name} ${this.nodes++}`);
    const store = openMemoryStore({ tables, clock, database });
    await store.start();
    const keys = new Keys({ store, random, clock, kek: new Uint8Array(32).fill(7) });
    await keys.start();
    const identities = new Identities({ store, keys, clock, random, ...options });
    await identities.start();
    this.running.unshift(identities, keys, store);
    const make = async <T>(change: Result<Change<T>>): Promise<T> => {
      const { writes, value, applied } = granted(change);
      if (writes.length > 0) {
        const { verdict } = await store.commit(writes);
        invariant(verdict === "done", "the change conflicts");
      }
      applied();
      return value;
    };
    return { store, keys, identities, make };
  }

  /** A node of a new installation, with the admins of its two first tenants. */
  async firstNode(options: Partial<IdentitiesOptions> = {}) {
    const node = await this.node(options);
    const first = await node.make(node.identities.bootstrap());
    const admin = granted(node.identities.recorded(defaultTenant, first.default.admin.id));
    const operator = granted(node.identities.recorded(systemTenant, first.system.admin.id));
    return { ...node, first, admin, operator };
  }

  async stop(): Promise<void> {
    for (const each of this.running) await each.stop();
  }
}

export function granted<T>(result: Result<T>): T {
  invariant(result.ok, result.ok ? "" : `refused: ${result.refusal.code}: ${result.refusal.detail}`);
  return result.value;
}

export const codeOf = (result: Result<unknown>): string => (result.ok ? "ok" : result.refusal.code);

export type Node = Awaited<ReturnType<World["firstNode"]>>;

export async function agentOf(node: Node, name = "bot", actor: Principal = node.admin) {
  return node.make(node.identities.createAgent(actor, { name, roles: ["reader"] }));
}
