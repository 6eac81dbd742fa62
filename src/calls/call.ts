import type { ReceiptReference, Refusal } from "../../contract/index.ts";
import type { Deadline, MonotonicMs, Result } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { CallId, EntryId } from "../ledger/index.ts";
import type { Profile } from "../registry/index.ts";
import type { Ask, AskAnswer } from "../upstream/index.ts";

/** What an edge hands in: one request, parsed and checked for form, with nothing decided yet. */
export interface CallInput {
  /** Ours, for logs and traces; unique per request. */
  readonly requestId: string;
  /** Answers again at every return of this call, so that a revocation takes effect. */
  readonly authenticate: () => Result<Principal> | Promise<Result<Principal>>;
  readonly method: CallMethod;
  /** The exposed name of a tool or prompt, the URI of a resource, skill or directory, the prompt or URI template that completion is asked for. */
  readonly name: string;
  /** Of tools and prompts their arguments, of a completion `{argument, context}`, of a directory `{cursor}` or {}, of a resource or skill {}. From `parseStrictJson`: no duplicate keys, no unsafe integers, no lone surrogates. Absent arguments are {}. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** All of the request's `_meta`, ours included. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** null = the server's own call timeout. */
  readonly deadline: Deadline | null;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
  /** What the caller declared: the upstream sees this. */
  readonly profile: Profile;
  /** The least level of log messages the caller wants; null = none. */
  readonly logLevel: string | null;
  /** Another round of a call that was answered with `input-required`; null = the first. */
  readonly round: Round | null;
  /**
   * Asks the caller something in mid-call and waits: callers of the older era, who keep a connection for it. Resolves with one
   * answer per key. null = the call is answered with `input-required` instead.
   */
  readonly ask:
    | ((requests: Readonly<Record<string, Ask>>) => Promise<Readonly<Record<string, AskAnswer>>>)
    | null;
  /** Log messages of the upstream that belong to this call, cleared of known credentials. null = not wanted. */
  readonly onLog: ((params: Readonly<Record<string, unknown>>) => void) | null;
  readonly onProgress: ((progress: Readonly<Record<string, unknown>>) => void) | null;
  readonly receivedAt: MonotonicMs;
  /** The node itself asks whether an earlier call happened; left out = a caller's request. */
  readonly about?: AskedAbout;
  /** The node itself finds out whether the tool works; left out = a caller's request. */
  readonly isProbe?: boolean;
}

/** Whether the node itself wants to know: policy may leave it unsaid, and nobody is asked. */
export const isByNode = ({ about, isProbe }: CallInput): boolean => about !== undefined || isProbe === true;

export interface AskedAbout {
  readonly call: CallId;
  /** The entry that says that nobody knows; the question's own entry follows it. */
  readonly outcomeEntry: EntryId;
  /** The question repeats what the call was given, so what erases that erases the question. */
  readonly sealedUnder: string;
}

/** What a caller of the newer era gives back: its answers by key, and our state exactly as we gave it. */
export interface Round {
  readonly inputResponses: Readonly<Record<string, unknown>>;
  readonly requestState: string | null;
}

export type CallMethod =
  | "tools/call"
  | "resources/read"
  | "prompts/get"
  | "completion/complete"
  | "skills/get"
  | "resources/directory/read";

/**
 *  input-required  `text` is the JSON text of a result of that kind, with our own sealed `requestState` in it; the call stays open
 *  task    `text` is the JSON text of a result of kind `task`; its taskId is our call id
 *  result   `text` is the JSON text of the MCP result, receipt included; send it as it is.
 *  refused  we said no, or it failed; `edge` maps the code to its wire by `codes[code]`.
 */
export type CallAnswer =
  | { readonly kind: "result"; readonly text: string; readonly receipt: ReceiptReference | null }
  | { readonly kind: "input-required" | "task"; readonly text: string; readonly receipt: null }
  | { readonly kind: "refused"; readonly refusal: Refusal; readonly receipt: ReceiptReference | null };

/** The lists that are composed over all servers. */
export type ListName = "tools" | "resources" | "resourceTemplates" | "prompts" | "skills";

/** One list for one caller: JSON texts of its elements in a fixed order. Kept and shared: never changed. */
export interface Listing {
  readonly items: readonly string[];
  /** `{"tools":[…]}` and so on: all items on one page. */
  readonly text: string;
  /** Changes whenever an item does: a cursor of ours names it. */
  readonly revision: string;
  /** How long a client may keep it; the least of all parts. */
  readonly ttlMs: number;
}

/** What the servers of a tenant can do together, for `server/discover` and `initialize`; only what we carry. */
export interface Described {
  /** `ServerCapabilities`, both eras' names. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** Instructions of the servers, each under its name; null = none. */
  readonly instructions: string | null;
}

/** One governed request about a task: its call is ours, its principal must be the one that made it. */
export interface TaskInput {
  readonly requestId: string;
  readonly authenticate: CallInput["authenticate"];
  readonly method: "tasks/get" | "tasks/update" | "tasks/cancel";
  readonly taskId: string;
  /** Of `tasks/update`. */
  readonly inputResponses: Readonly<Record<string, unknown>> | null;
  readonly profile: Profile;
  readonly signal: AbortSignal;
}

/** One governed subscription to one resource. */
export interface SubscribeInput {
  readonly requestId: string;
  readonly authenticate: CallInput["authenticate"];
  readonly uri: string;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly profile: Profile;
  /** Told each time the server says that the resource was updated. `uri` as the server named it. */
  readonly onUpdated: (uri: string) => void;
}

export type Subscribed =
  | { readonly kind: "subscribed"; readonly cancel: () => void }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** The door of the governed line, as edges see it. */
export interface Calls {
  call(input: CallInput): Promise<CallAnswer>;
  /** Filtered by what the caller may use and what is healthy. A promise where a server has to be asked for this profile first. */
  list(name: ListName, principal: Principal, profile: Profile): Listing | Promise<Listing>;
  describe(principal: Principal): Described;
  /** Text of the JSON-RPC result, or a refusal. */
  task(input: TaskInput): Promise<CallAnswer>;
  subscribe(input: SubscribeInput): Promise<Subscribed>;
}
