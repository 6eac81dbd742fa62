/** What a step's output or a run's result may have: a model's longest answer is a tenth of it. Larger things go into memory. */
export const outputBytesMax = 1_048_576;

/** An agent that says nothing for so long is taken for dead. The client says so three times in it, and may miss two. */
export const aliveForMs = 30_000;

/** Losing a race this often means that somebody plays: each loss is another process that wrote the same run at the same moment. */
export const racesMax = 8;

/** A sentence for people; a stack trace fits. */
export const reasonCharactersMax = 4_000;

/** A run past this is better made of several: thirty days, longer than any approval or notice that it could wait for. */
export const deadlineMsMax = 30 * 24 * 60 * 60_000;

/** A dead run is dropped by then: a quarter is longer than anybody is away, and what depends on it must not wait for ever. */
export const deadForMs = 90 * 24 * 60 * 60_000;

/** A year: what is further away is a date in a calendar and no step of a run. */
export const sleepMsMax = 366 * 24 * 60 * 60_000;

/** Waits of one run at once, all in its row. A program that waits in more branches than these has lost count of them. */
export const waitsMax = 64;

/** What a signal may carry; larger things go into memory or a tool. */
export const signalBytesMax = 65_536;

/** Signals of one run that nobody has taken yet. */
export const signalsWaitingMax = 64;

/** How long a request that waits is held open: below the idle limits of the usual proxies (30 s and 60 s). */
export const holdMsMax = 20_000;

/** A signal of this node is heard at once; one of another node with the next look. Ten thousand that wait are two thousand looks a second. */
export const lookEveryMs = 5_000;

/** One snapshot: a conversation that fills the largest context windows, twice. */
export const memoryBytesMax = 4 * 1_048_576;

/** Of one slot are kept: enough to look back over a day's turns, and bounded. The oldest goes. */
export const snapshotsPerSlotMax = 16;

/** Of one run. */
export const slotsMax = 64;

/** All snapshots of a run together: sixteen of the largest. */
export const memoryBytesOfRunMax = 16 * memoryBytesMax;

/** What is kept of an artefact at once: as base64 it fits the largest request. Larger ones are kept in pieces. */
export const artefactBytesMax = 3 * 1_048_576;

/** Pieces of one run: they are counted before another one is kept. */
export const artefactsMax = 1_000;

/** All artefacts of a run together. What is larger belongs into a store of files, and its address into a step. */
export const artefactBytesOfRunMax = 256 * 1_048_576;

/** A program that was started has so long to attach; then it counts as a start that failed. Doubled with each. */
export const startFirstMs = 30_000;
/** Longer pauses would only make a repaired agent wait. */
export const startMsMax = 15 * 60_000;

/** More than any run has used: what is beyond is a slip of the pen. */
export const tokensMaxMax = 1_000_000_000_000;

/** Runs that one run may start: more work than so is better split by runs that start runs, each with a journal that a person can read. */
export const childrenMax = 256;

/** Parents above a run. A program that comes so deep calls itself. */
export const childDepthMax = 8;

/** Children that are looked at together: those that a run waits for when it rests, and those that are ended after it. */
export const childrenPerLook = 64;

/** Steps that a fork shares, all in its first transaction: the store takes 512 writes in one. */
export const forkedStepsMax = 500;
