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
