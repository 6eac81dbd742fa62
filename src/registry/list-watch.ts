import { canonicalDigest, sha256Hex } from "../base/index.ts";
import type { ServerShelf } from "./catalogue.ts";
import type { Offering } from "./feature-book.ts";
import { noCapabilities } from "./profile.ts";
import type { ServerId, ToolDefinition } from "./records.ts";
import type { ListKind } from "./subject.ts";

export interface Seen {
  /** What its exposed names begin with. */
  readonly prefix: string;
  readonly isUp: boolean;
  readonly isToolUp: (tool: string) => boolean;
  readonly offerings: readonly Offering[];
}

/** What clients can see of a server's lists, per profile it was asked for, as texts that differ when the lists do; "" = empty. */
type Face = ReadonlyMap<string, Readonly<Record<ListKind, string>>>;

const kinds = ["tools", "resources", "prompts"] as const satisfies readonly ListKind[];

/** Notices which lists moved, whatever moved them: health, pins, settings, or what the server offers. */
export class ListWatch {
  private readonly faces = new Map<ServerId, Face>();

  clear(): void {
    this.faces.clear();
  }

  /**
   * A profile that was asked for for the first time, or was forgotten, moves nothing: else two clients too many would chase each
   * other through every list.
   */
  moved(shelf: ServerShelf, seen: Seen): readonly ListKind[] {
    const { id } = shelf.entry.record;
    const before = this.faces.get(id) ?? nothing;
    const now = faceOf(shelf, seen);
    this.faces.set(id, now);
    const keys = [noCapabilities.key, ...[...before.keys()].filter((key) => now.has(key))];
    return kinds.filter((kind) => keys.some((key) => said(before, key, kind) !== said(now, key, kind)));
  }

  /** The server is not there any more. */
  gone(id: ServerId): readonly ListKind[] {
    const before = this.faces.get(id) ?? nothing;
    this.faces.delete(id);
    return kinds.filter((kind) => [...before.values()].some((lists) => lists[kind] !== ""));
  }
}

const nothing: Face = new Map();

const said = (face: Face, key: string, kind: ListKind): string => face.get(key)?.[kind] ?? "";

function faceOf(shelf: ServerShelf, { prefix, isUp, isToolUp, offerings }: Seen): Face {
  const tools = isUp ? toolsText(shelf, prefix, isToolUp) : "";
  const face = new Map([[noCapabilities.key, { tools, resources: "", prompts: "" }]]);
  for (const { profile, stamps, resources, templates, prompts, skills } of offerings) {
    const text = (kind: ListKind, count: number): string =>
      isUp && count > 0 ? `${prefix} ${stamps[kind]}` : "";
    face.set(profile.key, {
      tools: tools === "" ? "" : `${tools} ${stamps.tools}`,
      resources: text("resources", resources.length + templates.length + skills.length),
      prompts: text("prompts", prompts.length),
    });
  }
  return face;
}

/** "" = no tool of this server can be called. */
function toolsText(shelf: ServerShelf, prefix: string, isToolUp: (tool: string) => boolean): string {
  const live = [...shelf.tools.values()].filter(({ name, state }) => state.kind === "live" && isToolUp(name));
  if (live.length === 0) return "";
  const lines = live.map(({ name, pin, definition }) => `${pin} ${restDigest(definition)} ${name}`).sort();
  return sha256Hex(`${prefix}\n${lines.join("\n")}`);
}

const restDigests = new WeakMap<ToolDefinition, string>();

function restDigest(definition: ToolDefinition): string {
  const known = restDigests.get(definition);
  if (known !== undefined) return known;
  const digest = canonicalDigest(definition.rest);
  restDigests.set(definition, digest);
  return digest;
}
