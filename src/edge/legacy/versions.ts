/** The revisions with sessions that we speak, newest first. */
export const legacyVersions = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] as const;
export type LegacyVersion = (typeof legacyVersions)[number];

/** null = not one of them. */
export const legacyVersionOf = (version: unknown): LegacyVersion | null =>
  legacyVersions.find((each) => each === version) ?? null;

/** The asked-for revision where we speak it, otherwise our newest: the client decides whether it can go on (2025-11-25, lifecycle). */
export const negotiated = (asked: string): LegacyVersion => legacyVersionOf(asked) ?? legacyVersions[0];
