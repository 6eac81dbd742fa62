import { Fault } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Store, Write } from "../store/index.ts";
import { insert, update } from "../store/index.ts";
import { Frontier, hashBytes, nodeHash } from "./merkle.ts";
import { tileTable } from "./tables.ts";

/** C2SP tlog-tiles: 256 hashes per tile, eight levels of the tree per tile level. */
const tileWidth = 256;
const tileHeight = 8;

/** The right edge of one tenant's tree, and which tiles changed since they were last written. */
export class TileEdge {
  private readonly tenant: TenantId;
  private readonly frontier = new Frontier();
  private readonly open: OpenTile[] = [];
  private full: ChangedTile[] = [];

  private constructor(tenant: TenantId) {
    this.tenant = tenant;
  }

  /** Reads the last tile of every level and puts the edge together. Rejects when one is missing or too short. */
  static async load(read: Pick<Store, "get">, tenant: TenantId, size: number): Promise<TileEdge> {
    const edge = new TileEdge(tenant);
    for (let level = 0, below = size; below > 0; level++) {
      const width = below % tileWidth;
      const number = (below - width) / tileWidth;
      const tile = new OpenTile(number);
      if (width > 0)
        tile.restore((await readTile(read, tenant, level, number, width)).subarray(0, width * hashBytes));
      edge.open.push(tile);
      below = number;
    }
    for (let level = edge.open.length - 1; level >= 0; level--) {
      (edge.open[level] as OpenTile).addPeaks(edge.frontier, level * tileHeight);
    }
    return edge;
  }

  get size(): number {
    return this.frontier.size;
  }

  append(leafHash: Uint8Array): void {
    this.frontier.append(leafHash, (height, hash) => {
      if (height % tileHeight === 0) this.put(height / tileHeight, hash);
    });
  }

  root(): Buffer {
    return this.frontier.root();
  }

  /** The tiles that changed since the last call. */
  takeChanged(): readonly ChangedTile[] {
    const changed: ChangedTile[] = this.full;
    this.full = [];
    for (const [level, tile] of this.open.entries()) {
      if (!tile.isDirty) continue;
      changed.push({ level, number: tile.number, hashes: tile.bytes(), isNew: !tile.isStored });
      tile.wasWritten();
    }
    return changed;
  }

  writes(): Write[] {
    return this.takeChanged().map(({ level, number, hashes, isNew }) => {
      const key = { tenant: this.tenant, level, number };
      return isNew ? insert(tileTable, { ...key, hashes }) : update(tileTable, key, { hashes });
    });
  }

  private put(level: number, hash: Uint8Array): void {
    let tile = this.open[level];
    if (tile === undefined) this.open[level] = tile = new OpenTile(0);
    tile.push(hash);
    if (tile.width < tileWidth) return;
    this.full.push({ level, number: tile.number, hashes: tile.bytes(), isNew: !tile.isStored });
    this.open[level] = new OpenTile(tile.number + 1);
  }
}

/** A tile as it has to be written. */
export interface ChangedTile {
  readonly level: number;
  readonly number: number;
  readonly hashes: Uint8Array;
  /** Whether it stands in the store in no form yet. */
  readonly isNew: boolean;
}

/** The last tile of a level, not yet full. */
class OpenTile {
  readonly number: number;
  isStored = false;
  isDirty = false;
  private readonly hashes: Uint8Array[] = [];

  constructor(number: number) {
    this.number = number;
  }

  get width(): number {
    return this.hashes.length;
  }

  push(hash: Uint8Array): void {
    this.hashes.push(hash);
    this.isDirty = true;
  }

  restore(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; at += hashBytes) {
      this.hashes.push(bytes.slice(at, at + hashBytes));
    }
    this.isStored = true;
  }

  wasWritten(): void {
    this.isStored = true;
    this.isDirty = false;
  }

  bytes(): Uint8Array {
    const out = new Uint8Array(this.hashes.length * hashBytes);
    for (const [i, hash] of this.hashes.entries()) out.set(hash, i * hashBytes);
    return out;
  }

  /** The complete subtrees in this tile, largest first: one per set bit of its width. */
  addPeaks(frontier: Frontier, baseHeight: number): void {
    let from = 0;
    for (let height = tileHeight - 1; height >= 0; height--) {
      const width = 2 ** height;
      if (this.width - from < width) continue;
      frontier.appendPeak(baseHeight + height, folded(this.hashes.slice(from, from + width)));
      from += width;
    }
  }
}

/** Complete subtrees out of stored tiles, for proofs. Remembers the tiles it read: make one per proof. */
export class TileReader {
  private readonly read: Pick<Store, "get">;
  private readonly tenant: TenantId;
  private readonly tiles = new Map<string, Promise<Uint8Array>>();

  constructor(read: Pick<Store, "get">, tenant: TenantId) {
    this.read = read;
    this.tenant = tenant;
  }

  /** The hash over the leaves [index * 2^height, (index + 1) * 2^height). */
  readonly subtree = async (height: number, index: number): Promise<Uint8Array> => {
    const level = Math.floor(height / tileHeight);
    const width = 2 ** (height - level * tileHeight);
    const first = index * width; // among the hashes of its level
    const number = Math.floor(first / tileWidth);
    const from = first - number * tileWidth;
    const bytes = await this.tile(level, number, from + width);
    const hashes: Uint8Array[] = [];
    for (let i = from; i < from + width; i++) {
      hashes.push(bytes.subarray(i * hashBytes, (i + 1) * hashBytes));
    }
    return folded(hashes);
  };

  private tile(level: number, number: number, widthMin: number): Promise<Uint8Array> {
    const name = `${level}/${number}`;
    let tile = this.tiles.get(name);
    if (tile === undefined) {
      tile = readTile(this.read, this.tenant, level, number, widthMin);
      this.tiles.set(name, tile);
    }
    return tile.then((bytes) => {
      if (bytes.byteLength < widthMin * hashBytes) throw damaged(this.tenant, level, number);
      return bytes;
    });
  }
}

/** The tile as it is stored: at least `width` hashes. It may have grown since the caller looked at the head. */
async function readTile(
  read: Pick<Store, "get">,
  tenant: TenantId,
  level: number,
  number: number,
  width: number,
): Promise<Uint8Array> {
  const row = await read.get(tileTable, { tenant, level, number });
  const bytes = row?.hashes;
  if (bytes === undefined || bytes.byteLength < width * hashBytes || bytes.byteLength % hashBytes !== 0) {
    throw damaged(tenant, level, number);
  }
  return bytes;
}

const damaged = (tenant: TenantId, level: number, number: number): Fault =>
  new Fault("internal", `ledger tile ${level}/${number} of tenant ${tenant} is missing or damaged`, {
    effect: "none",
    evidence: { tenant, level, number },
  });

/** The root of a complete subtree from its 2^n hashes. */
function folded(hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes;
  while (row.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < row.length; i += 2) {
      above.push(nodeHash(row[i] as Uint8Array, row[i + 1] as Uint8Array));
    }
    row = above;
  }
  return row[0] as Uint8Array;
}
