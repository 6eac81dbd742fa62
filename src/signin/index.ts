/**
 * signin: Signalbox as its own authorization server. A person adds its address to an MCP client, a page asks for the key of the agent
 * that the client shall act as, and the client has a token for that agent; a program exchanges a key for a token by itself. OAuth
 * 2.1 with PKCE, RFC 8414, 7591, 8707, 9207, and client id metadata documents.
 *
 * Promises: a code is good once, on all nodes together; a token leaves after its entry is durable, is for `/mcp` and the steps of its
 * agent's runs, never for administration or `/metrics`, does not outlive the key that it was got with, and ends with its agent's epoch.
 * Nobody is sent to an address that the client has not named before. Never: keeps a client, a code or a page that waits; logs a key, a
 * code or a token; decides what a token may do.
 *
 * A sign-in: asked (a page), denied, or allowed (a code, a minute), spent. What waits is sealed and in others' hands: registered clients in
 * their ids, requests in the form, codes in themselves. Only a spent code leaves a row, for some minutes.
 *
 * Identities: client ids (`sbc_…`, or https addresses), codes. Bounds: bounds.ts. Errors: those of RFC 6749 as JSON, or told to the client's
 * address; a page where that is not to be trusted. Signals: `onTrouble`; entries `signin.allow` and `signin.issue-token`.
 */
export { ClientDocuments } from "./client-documents.ts";
export { SignIn } from "./sign-in.ts";
