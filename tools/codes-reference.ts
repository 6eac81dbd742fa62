import { codes } from "../contract/index.ts";
import type { CodeRow } from "../contract/index.ts";

/** The text of docs/reference/codes.md. */
export function codesReference(): string {
  const rows = Object.entries<CodeRow>(codes).map(
    ([code, row]) =>
      `| \`${code}\` | ${row.cause} | ${row.retry} | ${row.effect} | ${row.http} | ${row.rpc} | ${row.mcp} | ${row.text} |`,
  );
  return `# Codes

Generated from \`contract/codes.ts\`. Every way Signalbox says no or breaks.

- **cause**: why. \`caller\`, \`policy\`, \`overload\`, \`dependency\` (something we depend on failed), \`correctness\` (a bug of ours).
- **retry**: whether asking again can help: \`now\`, \`later\`, \`never\` (as it is).
- **effect**: what happened at the tool: \`none\`, \`unknown\`, \`done\`.
- **MCP**: how \`tools/call\` answers. \`result\`: a tool result with \`isError\`, which the model sees; \`error\`: a JSON-RPC error.

In a result, \`_meta["dev.signalbox/refusal"]\` carries code, cause, retry and effect; over the HTTP API they are in \`error\`.

| code | cause | retry | effect | HTTP | JSON-RPC | MCP | text |
|---|---|---|---|---|---|---|---|
${rows.join("\n")}
`;
}
