import type { ServerOptions } from "@modelcontextprotocol/server";

/** What `initialize` answers, besides the version, which the SDK negotiates. */
export function serverOptions(instructions: string | null): ServerOptions {
  return {
    capabilities: { tools: { listChanged: true } },
    ...(instructions === null ? {} : { instructions }),
  };
}
