import type { WallMs } from "../base/index.ts";
import { msOf } from "../base/index.ts";

/** How an instant stands in the API: RFC 3339, UTC, milliseconds. */
export const iso = (at: WallMs): string => new Date(msOf(at)).toISOString();

export const isoOrNull = (at: WallMs | null): string | null => (at === null ? null : iso(at));
