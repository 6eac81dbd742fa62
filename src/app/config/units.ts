const durationUnits = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const byteUnits = { B: 1, KiB: 1_024, MiB: 1_024 ** 2, GiB: 1_024 ** 3 } as const;

export const durationPattern = "^(?:0|[1-9][0-9]{0,8})(?:ms|s|m|h|d)$";
export const bytesPattern = "^(?:0|[1-9][0-9]{0,8})(?:B|KiB|MiB|GiB)$";

/** "30s" to 30,000 ms; null when it is not written so. One number, one unit, no fractions: nothing to misread. */
export function parseDuration(text: string): number | null {
  return parse(text, durationPattern, durationUnits);
}

/** "4MiB" to 4,194,304. KB and MB are refused, because people disagree on what they mean. */
export function parseBytes(text: string): number | null {
  return parse(text, bytesPattern, byteUnits);
}

/** The shortest way to write it: 3,600,000 is "1h". */
export const durationText = (ms: number): string => textOf(ms, durationUnits, "0s");
export const bytesText = (bytes: number): string => textOf(bytes, byteUnits, "0B");

function parse(text: string, pattern: string, units: Readonly<Record<string, number>>): number | null {
  if (!new RegExp(pattern).test(text)) return null;
  const digits = /^[0-9]+/.exec(text)?.[0] ?? "";
  const factor = units[text.slice(digits.length)];
  return factor === undefined ? null : Number(digits) * factor;
}

function textOf(value: number, units: Readonly<Record<string, number>>, zero: string): string {
  if (value === 0) return zero;
  const fitting = Object.entries(units).filter(([, factor]) => value % factor === 0);
  const [unit, factor] = fitting.at(-1) ?? ["", 1];
  return `${value / factor}${unit}`;
}
