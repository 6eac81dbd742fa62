/**
 * cli: the command line. It parses arguments, asks the node's API or works on this machine, and prints. Decides nothing: what may
 * be done is the node's to say, and what is true is the ledger's.
 *
 * Commands that speak to a node use its HTTP API alone (`client.ts`); those that start one or work offline use `app`, `ledger` and
 * `policy`. Answers go to stdout: tables at a terminal, one JSON document otherwise; all else goes to stderr. Data is stripped of
 * control characters before it reaches a terminal. Secrets are printed once, where they are made, and read from stdin or without echo.
 *
 * Identities: none. Bounds: answers of 64 MiB, 60 s per request (`--timeout`). Errors: exit codes 0 ok, 1 failed, 2 usage,
 * 3 refused, 4 timed out. Signals: SIGINT and SIGTERM stop a node in order, a second one at once.
 */
export { buildProgram } from "./program.ts";
export { referenceText } from "./reference.ts";
export type { Terminal } from "./terminal.ts";
