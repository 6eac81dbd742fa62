import { canonicalDigest, sha256Hex } from "../base/index.ts";
import { lookalikeKey } from "./exposed-name.ts";
import { deepFreeze, frozenCopy, jsonProblem } from "./json-bounds.ts";
import {
  bytesOf,
  definitionBounds,
  descriptionBytesMax,
  isObject,
  printable,
  problemOfName,
  problemOfText,
  restBytesMax,
  titleMax,
  toolsPerServerMax,
} from "./parse-definition.ts";
import { skillProblem } from "./parse-skill.ts";
import type { Pin } from "./records.ts";
import type { Features } from "./subject.ts";
import type { UriTemplate } from "./uri-template.ts";
import { parseUriTemplate } from "./uri-template.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** Of each kind per server: ten times the largest list of resources seen. */
export const featuresPerServerMax = 5_000;
/** All definitions of one server for one profile together: what a node can hold of a thousand servers. */
const featureBytesMax = 8 * 1024 * 1024;
/** What HTTP servers accept as a request line; resources are addressed by nothing longer. */
export const uriCharsMax = 8_192;
const capabilitiesBytesMax = 65_536;

/** One listed thing. The same object for the same definition, so that unchanged lists can be told by comparing. */
export interface Item {
  /** A prompt's name, a resource's URI, a template's text, the URI of a skill's `SKILL.md`. */
  readonly name: string;
  readonly definition: JsonObject;
  /** SHA-256 over RFC 8785 of the definition as listed. */
  readonly pin: Pin;
  /** SHA-256 of the definition's text with its members in the order they came in: quicker to recognise it by. */
  readonly mark: string;
}

export interface TemplateItem extends Item {
  /** null = it cannot be matched; it is listed all the same. */
  readonly template: UriTemplate | null;
}

/** Checked, copied, and in a fixed order: by name, code unit by code unit. */
export interface ParsedFeatures {
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject | null;
  readonly instructions: string | null;
  readonly ttlMs: number | null;
  readonly tools: ReadonlySet<string>;
  readonly resources: readonly Item[];
  readonly templates: readonly TemplateItem[];
  readonly prompts: readonly Item[];
  readonly skills: readonly Item[];
}

type ItemKind = "resource" | "template" | "prompt" | "skill";

/** `name` is null when there is none to tell. */
export interface RefusedFeature {
  readonly kind: ItemKind | "server";
  readonly name: string | null;
  readonly reason: string;
}

/** What a server said it offers. Never throws, whatever it is given. `known` finds what was parsed before, by its mark. */
export function parseFeatures(
  said: Features,
  known: (mark: string) => Item | undefined,
): { readonly features: ParsedFeatures; readonly refused: readonly RefusedFeature[] } {
  const reader = new Reader(known);
  const resources = reader.items("resource", said.resources, "uri");
  const templates = reader.items("template", said.templates, "uriTemplate").map(withTemplate);
  const prompts = reader.items("prompt", said.prompts, "name");
  const skills = reader.items("skill", said.skills, "uri");
  const instructions = reader.text("instructions", said.instructions);
  const features: ParsedFeatures = {
    capabilities: reader.object("capabilities", said.capabilities) ?? {},
    serverInfo: reader.object("serverInfo", said.serverInfo),
    instructions,
    ttlMs: typeof said.ttlMs === "number" && said.ttlMs >= 0 ? said.ttlMs : null,
    tools: new Set(list(said.tools).slice(0, toolsPerServerMax).filter(isText)),
    resources,
    templates,
    prompts,
    skills,
  };
  return { features, refused: reader.refused };
}

class Reader {
  readonly refused: RefusedFeature[] = [];
  private readonly known: (mark: string) => Item | undefined;
  private bytes = 0;

  constructor(known: (mark: string) => Item | undefined) {
    this.known = known;
  }

  items(kind: ItemKind, said: unknown, key: "uri" | "uriTemplate" | "name"): Item[] {
    const all = list(said);
    const found = new Map<string, Item>();
    for (const each of all.slice(0, featuresPerServerMax)) {
      const name = isObject(each) && isText(each[key]) ? each[key] : null;
      const reason = isObject(each) ? problemOf(kind, each, name) : `a ${kind} must be an object`;
      const twin = kind === "prompt" ? lookalikeKey(name ?? "") : (name ?? "");
      const first = found.get(twin);
      if (reason !== null || name === null) {
        this.refuse(kind, name, reason ?? `a ${kind} has no ${key}`);
      } else if (first !== undefined) {
        this.refuse(kind, name, `it collides with "${printable(first.name)}", which was there first`);
      } else {
        const item = this.item(kind, name, each as JsonObject);
        if (item !== null) found.set(twin, item);
      }
    }
    const over = all.length - featuresPerServerMax;
    if (over > 0) this.refuse(kind, null, `${over} beyond the ${featuresPerServerMax} that are allowed`);
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  text(name: string, said: unknown): string | null {
    const problem = problemOfText(name, said, descriptionBytesMax);
    if (problem !== null) this.refuse("server", name, problem);
    return problem === null && isText(said) ? said.toWellFormed() : null;
  }

  object(name: string, said: unknown): JsonObject | null {
    if (said === null || said === undefined) return null;
    const problem = isObject(said) ? jsonProblem(said, definitionBounds) : "it must be an object";
    const isTooLarge = problem === null && bytesOf(said) > capabilitiesBytesMax;
    if (problem === null && !isTooLarge) return frozenCopy(said as JsonObject);
    this.refuse("server", name, problem ?? `${name} is larger than ${capabilitiesBytesMax} bytes`);
    return null;
  }

  private item(kind: RefusedFeature["kind"], name: string, said: JsonObject): Item | null {
    const text = JSON.stringify(withoutNulls(said));
    const bytes = Buffer.byteLength(text);
    if (this.bytes + bytes > featureBytesMax) {
      this.refuse(kind, name, `all definitions together are more than ${featureBytesMax} bytes`);
      return null;
    }
    this.bytes += bytes;
    const mark = sha256Hex(text);
    const known = this.known(mark);
    if (known?.name === name) return known;
    const definition = deepFreeze(JSON.parse(text) as JsonObject);
    return Object.freeze({ name, definition, pin: canonicalDigest(definition) as Pin, mark });
  }

  private refuse(kind: RefusedFeature["kind"], name: string | null, reason: string): void {
    if (this.refused.length >= refusedMax) return;
    this.refused.push({ kind, name: name === null ? null : printable(name), reason });
  }
}

/** Null is how some servers write "absent", and clients refuse a whole list for it. */
const withoutNulls = (said: JsonObject): JsonObject =>
  Object.values(said).includes(null)
    ? Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null))
    : said;

/** Enough to see what is wrong; a log is not the place for five thousand. */
const refusedMax = 100;

function problemOf(kind: ItemKind, said: JsonObject, name: string | null): string | null {
  if (name === null) return null;
  if (kind === "skill")
    return (
      problemOfUri(kind, name) ??
      jsonSaid(jsonProblem(said, definitionBounds)) ??
      jsonSaid(skillProblem(said, name))
    );
  const { name: label, title, description } = said;
  const { name: _, title: __, description: ___, ...rest } = said;
  return (
    (kind === "prompt" ? problemOfName("prompt", name) : problemOfUri(kind, name)) ??
    jsonSaid(jsonProblem(said, definitionBounds)) ??
    // Required by MCP; one entry without it makes clients refuse the whole list.
    (isText(label) ? null : `a ${kind} has no name`) ??
    problemOfText("name", label, titleMax) ??
    problemOfText("title", title, titleMax) ??
    problemOfText("description", description, descriptionBytesMax) ??
    (bytesOf(rest) > restBytesMax ? `its other fields are more than ${restBytesMax} bytes` : null)
  );
}

function problemOfUri(kind: Exclude<ItemKind, "prompt">, uri: string): string | null {
  if (uri.length > uriCharsMax) return `the URI has ${uri.length} characters; ${uriCharsMax} are allowed`;
  if (!isAddressable(uri)) return "the URI is empty, or contains control characters or blanks around it";
  // A template may begin with a variable.
  return kind === "template" || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(uri) ? null : "the URI has no scheme";
}

/** As for names of tools: nothing that breaks a line or turns text around, and nothing that could be trimmed away. */
export const isAddressable = (uri: string): boolean =>
  uri !== "" &&
  uri.trim() === uri &&
  uri.isWellFormed() &&
  !/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(uri);

/**
 * Whether a server could take a URI for another one that is spelt otherwise. Policy sees it as it is written, and would have decided
 * about another resource. What a server lists itself is its own spelling.
 */
export const isRespelt = (uri: string): boolean =>
  dotSegments.test(uri) || escapedUnreserved.test(uri) || hasOtherOrigin(uri);

/** `.` and `..` as path segments, also escaped (RFC 3986 section 6.2.2.3). */
const dotSegments = /(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\?#]|%2f|%5c|$)/i;
/** Letters, digits and signs that mean the same unescaped (section 6.2.2.2). */
const escapedUnreserved = /%(?:2d|2e|5f|7e|3\d|[46][1-9a-f]|[57][\da])/i;

/** Schemes and hosts are of one case, and some parts mean the same where they are left out (sections 6.2.2.1 and 6.2.3; RFC 8089). */
function hasOtherOrigin(uri: string): boolean {
  const scheme = /^[^:/?#]*(?=:)/.exec(uri)?.[0] ?? "";
  if (scheme !== scheme.toLowerCase()) return true;
  switch (scheme) {
    case "file":
      return !uri.startsWith("file:///") || /\/\/|[\\?#]/.test(uri.slice("file://".length));
    case "http":
    case "https": {
      const origin = URL.canParse(uri) ? new URL(uri).origin : null;
      return origin === null || !uri.startsWith(origin) || !/^(?:[/?#]|$)/.test(uri.slice(origin.length));
    }
    default:
      return false;
  }
}

const templates = new WeakMap<Item, TemplateItem>();

function withTemplate(item: Item): TemplateItem {
  const known = templates.get(item);
  if (known !== undefined) return known;
  const made = Object.freeze({ ...item, template: parseUriTemplate(item.name) });
  templates.set(item, made);
  templates.set(made, made);
  return made;
}

const jsonSaid = (problem: string | null): string | null =>
  problem === null ? null : `the definition cannot be accepted: ${problem}`;

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const isText = (value: unknown): value is string => typeof value === "string";
