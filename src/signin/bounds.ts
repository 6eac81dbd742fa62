/** Bounds of this room, in one place. Those in characters are of what a stranger sends. */

/** The longest seen are those of web clients that keep their own state in it, some 700 characters. */
export const stateCharsMax = 2_048;
export const redirectUriCharsMax = 1_024;
/** VS Code registers ten; each is a place that codes may be sent to. */
export const redirectUrisMax = 16;
/** Of one client together: its id holds them, and travels in addresses, which have 16 KiB with all other headers. */
export const redirectCharsMax = 3_000;
/** What fits in a line of the page. */
export const clientNameCharsMax = 100;
/** Of a registered one: all that it registered, sealed. */
export const clientIdCharsMax = 6_000;
/** Of one that is the address of its metadata. */
export const clientUrlCharsMax = 1_024;
export const scopeCharsMax = 256;
/** Of anything that we sealed ourselves and get back. */
export const sealedCharsMax = 12_000;
/** Fields of one request, ours and others'. */
export const fieldsMax = 64;

/** A person finds the key and types it. */
export const pageMs = 10 * 60_000;
/** RFC 6749 section 4.1.2 allows ten minutes; the browser brings the code back in a second. */
export const codeMs = 60_000;
/** That a code was spent is remembered this much longer than it is good: a request that found it good has been committed or has failed by then. */
export const spentKeptMs = 10 * 60_000;
/** A working day: there are no refresh tokens, so people would be asked again sooner. */
export const signedInMs = 8 * 60 * 60_000;

/** Spent codes that are past their time and are forgotten with each new one that is spent: so there are never many. */
export const forgottenAtOnceMax = 64;
/** Codes whose second use was recorded, on this node: one entry each. */
export const reusesRemembered = 4_096;

/** The draft of client id metadata documents asks for at least 5 KB. */
export const documentBytesMax = 16 * 1024;
/** A person waits for the page. */
export const documentMs = 5_000;
/** Strangers say what is fetched: this many at a time. */
export const documentsUnderWayMax = 16;
export const documentsRemembered = 256;
/** A client that changes its addresses is believed this much later. */
export const documentKeptMs = 5 * 60_000;
