/** Where things stand in an export: C2SP tlog-tiles, and beside it what that has no word for. */

export const bundleWidth = 256;

export const exportNames = {
  readme: "README.md",
  key: "log.vkey",
  manifest: "manifest.json",
  checkpoint: "checkpoint",
} as const;

/** How many hashes of a tree of `size` leaves stand in this tile; 0 = there is no such tile. */
export function widthOf(size: number, level: number, number: number): number {
  const hashes = Math.floor(size / bundleWidth ** level);
  return Math.max(0, Math.min(bundleWidth, hashes - number * bundleWidth));
}

/** How many tiles of this level a tree of `size` leaves has. */
export const tilesOf = (size: number, level: number): number =>
  Math.ceil(Math.floor(size / bundleWidth ** level) / bundleWidth);

export const tilePath = (level: number, number: number, width: number): string =>
  `tile/${level}/${place(number)}${partial(width)}`;

export const entriesPath = (number: number, width: number): string =>
  `tile/entries/${place(number)}${partial(width)}`;

/** The checkpoints over more than the entries before this bundle, and not more than it. */
export const historyPath = (number: number): string => `checkpoints/${place(number)}`;

export const payloadsPath = (number: number): string => `payloads/${place(number)}`;

/** Three digits per step, all but the last marked by an x. */
function place(number: number): string {
  const digits = String(number);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/.{3}/g) ?? [];
  return groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join("/");
}

const partial = (width: number): string => (width === bundleWidth ? "" : `.p/${width}`);
