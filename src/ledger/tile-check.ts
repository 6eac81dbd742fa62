import type { TenantId } from "../identity/index.ts";
import type { Store } from "../store/index.ts";
import { hashBytes } from "./merkle.ts";
import { tileTable } from "./tables.ts";
import { BrokenFound } from "./verify-report.ts";

const tileWidth = 256;
const tileHeight = 8;
/** One open tile per level is in use at a time; full ones are not needed again. */
const tilesKeptMax = 16;

interface Expected {
  readonly level: number;
  /** Among the hashes of its level. */
  readonly index: number;
  readonly hash: Uint8Array;
}

/** Compares the stored tiles with the hashes a verification computed itself. */
export class TileCheck {
  private readonly read: Pick<Store, "get">;
  private readonly tenant: TenantId;
  private readonly kept = new Map<string, Uint8Array>();
  private expected: Expected[] = [];

  constructor(read: Pick<Store, "get">, tenant: TenantId) {
    this.read = read;
    this.tenant = tenant;
  }

  /** A complete subtree was computed while leaf number `leaf` (from 0) was added; only every eighth height is stored. */
  expect(height: number, leaf: number, hash: Uint8Array): void {
    if (height % tileHeight !== 0) return;
    this.expected.push({ level: height / tileHeight, index: Math.floor(leaf / 2 ** height), hash });
  }

  /** All that was expected since the last call. */
  async compare(): Promise<void> {
    const expected = this.expected;
    this.expected = [];
    for (const { level, index, hash } of expected) {
      const stored = await this.hashAt(level, index);
      if (stored !== null && Buffer.from(hash).equals(stored)) continue;
      const detail = `hash ${index} of level ${level} is ${stored === null ? "missing" : "wrong"} in the tiles`;
      throw new BrokenFound({ kind: "tile", position: level === 0 ? index : null, entry: null, detail });
    }
  }

  /** Null when a tile is missing or too short. */
  async leafHashes(first: number, count: number): Promise<readonly Uint8Array[] | null> {
    const hashes: Uint8Array[] = [];
    for (let index = first; index < first + count; index++) {
      const hash = await this.hashAt(0, index);
      if (hash === null) return null;
      hashes.push(hash);
    }
    return hashes;
  }

  private async hashAt(level: number, index: number): Promise<Uint8Array | null> {
    const number = Math.floor(index / tileWidth);
    const at = (index % tileWidth) * hashBytes;
    const name = `${level}/${number}`;
    let tile = this.kept.get(name);
    // A tile that is too short may have grown since: the log may be live.
    if (tile === undefined || tile.byteLength < at + hashBytes) {
      tile =
        (await this.read.get(tileTable, { tenant: this.tenant, level, number }))?.hashes ?? new Uint8Array();
      this.kept.delete(name);
      this.kept.set(name, tile);
      if (this.kept.size > tilesKeptMax) {
        const oldest = this.kept.keys().next().value;
        if (oldest !== undefined) this.kept.delete(oldest);
      }
    }
    return tile.byteLength < at + hashBytes ? null : tile.subarray(at, at + hashBytes);
  }
}
