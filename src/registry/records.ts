import type { Brand, Sha256Hex, WallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { OAuthSettings } from "./oauth-settings.ts";
import type { SecretText } from "./secret-text.ts";

/** `srv_…`, stable through renames. */
export type ServerId = Brand<"server">;
/** The digest of a tool's definition: SHA-256 over RFC 8785 of {name, title, description, inputSchema, outputSchema, annotations}. */
export type Pin = Sha256Hex & Brand<"pin">;

/**
 * What repeating a call of this tool means. Set by an administrator, default `effect`; a server's own hints are only hints.
 *  read        no effect; may be sent again, and so by the node itself, as its `probe`
 *  idempotent  one effect per key; `keyArgument` names the top-level argument the key travels in
 *  verifiable  `verifyTool` (upstream name on the same server, of class `read`) answers "did it happen?"; it is given the call's
 *              arguments, or only `verifyArguments` of them
 *  effect      may not be sent twice
 */
export type ToolClass =
  | { readonly kind: "read"; readonly probe?: ToolProbe }
  | { readonly kind: "idempotent"; readonly keyArgument: string }
  | {
      readonly kind: "verifiable";
      readonly verifyTool: string;
      /** Names of top-level arguments; left out = all. */
      readonly verifyArguments?: readonly string[];
    }
  | { readonly kind: "effect" };

/**
 * How the node finds out by itself whether a tool works. Stands in the class, because only what has no effect may be done for that: a
 * tool that is of another class has no probe.
 */
export interface ToolProbe {
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Left out = `probeDefaults`. */
  readonly everyMs?: number;
}

export type Transport =
  | {
      readonly kind: "stdio";
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, SecretText>>;
      readonly cwd: string | null; // null = the node's data directory
    }
  | {
      readonly kind: "http";
      readonly url: string;
      readonly headers: Readonly<Record<string, SecretText>>;
      /** null or left out = nothing but what the headers carry. */
      readonly auth?: OAuthSettings | null;
    };

/** Which protocol the server speaks: remembered after the first connection, or fixed by configuration. */
export type Era = "modern" | "legacy";

export interface ServerRecord {
  readonly tenant: TenantId;
  readonly id: ServerId;
  /** Prefix of exposed tool names: `[a-z0-9](-?[a-z0-9])*`, at most 24, not "signalbox". */
  readonly name: string;
  /** `local` = this node answers by itself. */
  readonly transport: Transport | { readonly kind: "local" };
  /** Records of origin `file` are changed by the file alone and are read-only to the API. */
  readonly origin: "file" | "api";
  readonly enabled: boolean;
  /** null = find out. */
  readonly era: Era | null;
  /** How long one call may take when the caller names no shorter deadline. */
  readonly callTimeoutMs: number;
  /** Calls in flight to this server at once. */
  readonly concurrencyMax: number;
  readonly resultBytesMax: number;
  /** Grows with each change of the record. */
  readonly version: number;
}

/** A tool as its server describes it. Schemas are JSON Schema 2020-12 unless `$schema` says otherwise. */
export interface ToolDefinition {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly outputSchema?: Readonly<Record<string, unknown>>;
  readonly annotations?: Readonly<Record<string, unknown>>;
  /** Everything else the server said (icons, _meta …), passed on untouched; not part of the pin. */
  readonly rest: Readonly<Record<string, unknown>>;
}

/**
 *  live         pinned, offered and callable while its server is healthy
 *  quarantined  the server now offers another definition (`offered`); callable again once the diff is approved
 *  gone         pinned, but no longer offered
 */
export type ToolState =
  | { readonly kind: "live" }
  | {
      readonly kind: "quarantined";
      readonly offered: ToolDefinition;
      readonly offeredPin: Pin;
      readonly since: WallMs;
    }
  | { readonly kind: "gone"; readonly since: WallMs };

export interface Tool {
  readonly kind: "tool";
  readonly tenant: TenantId;
  readonly server: ServerRecord;
  /** The upstream name. */
  readonly name: string;
  /** The alias agents see: `<server>__<tool>`, at most 64 of [A-Za-z0-9_-]. */
  readonly exposedName: string;
  /** The Cedar entity id and the ledger's subject: `<server id>/<upstream name>`. */
  readonly id: string;
  readonly class: ToolClass;
  readonly pin: Pin;
  readonly definition: ToolDefinition;
  readonly state: ToolState;
}

/** Why something does not work; the three kinds are never mixed. */
export type HealthCause = "correctness" | "overload" | "dependency";

export type Health =
  | { readonly state: "connecting"; readonly since: WallMs }
  | { readonly state: "healthy"; readonly since: WallMs }
  | {
      readonly state: "degraded";
      readonly since: WallMs;
      readonly cause: HealthCause;
      readonly reason: string;
    }
  | { readonly state: "down"; readonly since: WallMs; readonly cause: HealthCause; readonly reason: string };
