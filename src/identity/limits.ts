/** Bounds of this room, in one place. */

/** All principals of the installation are in memory, about 1 KB each with its keys: ten times the 10,000 agents we plan for. */
export const principalsMax = 100_000;
/** A tenant is a department or organisation. */
export const tenantsMax = 1_000;
/** What a policy author can still read; also bounds the size of one row. */
export const rolesPerPrincipalMax = 32;
/** Enough to rotate keys on several machines; more is a sign that the keys want to be agents. */
export const keysPerPrincipalMax = 16;

/** Longer tokens are refused before they are hashed. Node's own bound for all headers together is 16 KiB. */
export const tokenCharsMax = 8_192;
/** Verified tokens remembered per generation, two generations: 10,000 active agents, each with a spare. About 600 bytes each. */
export const cachedTokensMax = 16_384;
/**
 * A verified token is looked at afresh after half to all of this, each after a time of its own: agents that start together would otherwise all
 * have their signatures checked in the same two seconds of each minute, and 10,000 of them take a core for that long.
 */
export const cachedTokenMs = 60_000;
/** Signatures being checked at once: about 0.1 s of one core's work. */
export const verificationsMax = 1_024;
/** What is over is over; by this much two clocks of one fleet differ in good order. */
export const clockLeewayMs = 5_000;
/** A token of a node whose clock is ahead is good at once on one whose clock is behind, up to this much: a machine whose clock nobody keeps. */
export const clockAheadMaxMs = 300_000;

export const tokenTtlDefaultMs = 60 * 60_000;
export const tokenTtlMinMs = 1_000;
export const tokenTtlMaxMs = 24 * 60 * 60_000;
/** Ten years: longer is "never", and that is said by leaving the expiry out. */
export const keyTtlMaxMs = 10 * 366 * 24 * 60 * 60_000;

/** A change made by another node is seen within 1 s: half of that between looks, half for the look itself. */
export const refreshEveryMs = 500;
export const changesPerRefreshPage = 1_000;
export const rowsPerLoadPage = 5_000;
export const listLimitMax = 1_000;
