import type { Deadline } from "../../base/index.ts";
import { deadlineIn, Fault, remainingMs, sha256Hex } from "../../base/index.ts";
import type { Features, Profile, ServerRecord } from "../../registry/index.ts";
import type { UpstreamCount } from "../events.ts";
import type { ParamHeader } from "../http/param-headers.ts";
import type { OfferedTool } from "../list-tools.ts";
import { toolsAmong } from "../list-tools.ts";
import { isObject } from "../message.ts";
import { ownRequest } from "../own-request.ts";
import type { Described, Wire, WireContext } from "../wire.ts";
import { announcedIn } from "./announced.ts";
import type { Pages } from "./read-pages.ts";
import { lesser, readPages } from "./read-pages.ts";

/** All that a server offers to one profile. */
export interface Listed {
  readonly features: Features;
  readonly definitions: readonly OfferedTool[];
  readonly paramHeaders: ReadonlyMap<string, readonly ParamHeader[]>;
  /** Elements that cannot be used. */
  readonly dropped: number;
  /** Equal digests mean equal answers. */
  readonly digest: string;
}

export interface Asking {
  readonly wire: Wire;
  readonly described: Described | null;
  readonly context: WireContext;
  readonly record: ServerRecord;
  readonly profile: Profile;
  readonly deadline: Deadline;
  readonly signal: AbortSignal;
  /** Whether "method not found" means that it has no tools; else that is a Fault. */
  readonly mayLackTools: boolean;
  readonly onCount: (what: UpstreamCount) => void;
}

/**
 * Asks all lists at once. Tools decide: without them there is no catalogue but a Fault. Another list that cannot be had counts as
 * it was in `before`, because a server whose prompts fail is still of use.
 */
export async function readCatalogue(asking: Asking, before: Listed | null): Promise<Listed> {
  const { described, wire, record } = asking;
  const announced = announcedIn(described?.capabilities ?? null);
  const [tools, resources, templates, prompts, skills] = await Promise.all([
    announced.tools ? list(asking, "tools/list", "tools", asking.mayLackTools) : empty,
    announced.resources ? other(asking, "resources/list", "resources") : empty,
    announced.resources ? other(asking, "resources/templates/list", "resourceTemplates") : empty,
    announced.prompts ? other(asking, "prompts/list", "prompts") : empty,
    announced.skills ? other(asking, "skills/list", "skills") : empty,
  ]);
  const { definitions, paramHeaders, dropped } = toolsAmong(tools.items, {
    era: wire.era,
    isHttp: record.transport.kind === "http",
  });
  const named = {
    resources: usable(resources?.items, "uri") ?? before?.features.resources ?? [],
    templates: usable(templates?.items, "uriTemplate") ?? before?.features.templates ?? [],
    prompts: usable(prompts?.items, "name") ?? before?.features.prompts ?? [],
    skills: usable(skills?.items, "uri") ?? before?.features.skills ?? [],
  };
  const asked = [tools, resources, templates, prompts, skills];
  return {
    features: {
      capabilities: described?.capabilities ?? {},
      serverInfo: described?.serverInfo ?? null,
      instructions: described?.instructions ?? null,
      tools: definitions.map((tool) => tool.name),
      ...named,
      ttlMs: asked.reduce<number | null>((least, pages) => lesser(least, pages?.ttlMs ?? null), null),
    },
    definitions,
    paramHeaders,
    dropped,
    digest: sha256Hex(JSON.stringify([described, ...asked.map((pages) => pages?.digest ?? null)])),
  };
}

const empty: Pages = { items: [], digest: "", ttlMs: null };

function list(asking: Asking, method: string, member: string, mayLack: boolean): Promise<Pages> {
  const { wire, context, record, deadline, signal, profile } = asking;
  const server = { ...record, resultBytesMax: context.limits.listBytesMax };
  return readPages(
    (params) => wire.exchange({ ...ownRequest(server, method, params, deadline, signal), profile }),
    {
      serverName: record.name,
      method,
      member,
      pagesMax: context.limits.listPagesMax,
      charsMax: context.limits.listCharsMax,
      itemsMax: member === "tools" ? context.limits.toolsMax : context.limits.listedMax,
      // Tools are pinned and must be known whole; a resource that is not listed can still be read by its URI.
      beyondMax: member === "tools" ? "fault" : "left-out",
      mayLack,
    },
  );
}

/** null = it could not be had. It may take half of the time that is left, so that it never takes the tools with it. */
async function other(asking: Asking, method: string, member: string): Promise<Pages | null> {
  const { clock } = asking.context;
  const deadline = deadlineIn(clock, remainingMs(clock, asking.deadline) / 2);
  try {
    return await list({ ...asking, deadline }, method, member, true);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    asking.onCount("failed-list");
    return null;
  }
}

type Named = Readonly<Record<string, unknown>>;

/** Those that have a name of their own, the first of each name. null = there is no list. */
function usable(items: readonly unknown[] | undefined, key: string): readonly Named[] | null {
  if (items === undefined) return null;
  const found = new Map<string, Named>();
  for (const item of items) {
    if (!isObject(item)) continue;
    const name = item[key];
    if (typeof name !== "string" || name === "" || name.length > nameCharsMax || found.has(name)) continue;
    found.set(name, item);
  }
  return [...found.values()];
}

/** A URI with a query of its own; longer ones are documents. */
const nameCharsMax = 8_192;
