import type { Clock, Random, WallMs } from "../../base/index.ts";
import { RecentMap, elapsedMs, msOf, plusMs, wallMs } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { Profile } from "../../registry/index.ts";
import { noCapabilities, profileOf } from "../../registry/index.ts";
import type { Sealing } from "../options.ts";
import { ownerOf } from "../owner.ts";
import type { LegacyVersion } from "./versions.ts";
import { legacyVersionOf } from "./versions.ts";

/** What a session's id says once it is opened. Nothing else of a session need be kept anywhere. */
export interface Session {
  /** Names the session where something of it is kept; unguessable, and never sent. */
  readonly key: string;
  /** Tenant, principal and those it acts for: the only one for whom the session exists. */
  readonly owner: string;
  readonly version: LegacyVersion;
  /** What the client declared at `initialize`. */
  readonly profile: Profile;
  readonly expiresAt: WallMs;
}

/**
 * The largest set of capabilities seen in the field has 600 bytes. It travels in a header with every request, so a client that
 * declares more than this is treated as if it had declared nothing.
 */
const capabilitiesBytesMax = 2_048;
/** What sealing makes of the above, with room for long names of principals. */
const idCharsMax = 6_144;
/** Opened ids, so that a busy session costs one decryption and not one per request. About 1 KB each. */
const rememberedMax = 2_048;
const format = 1;

/**
 * Session ids that carry the session: sealed, so that any node with the same keys can go on with it and nobody else can make,
 * read or change one. They are no credentials: each request brings its own.
 */
export class SessionIds {
  private readonly sealing: Sealing;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly lifetimeMs: number;
  private readonly opened = new RecentMap<string, Session>(rememberedMax);
  /** Keys of sessions that their clients ended here. */
  private readonly ended: RecentMap<string, true>;

  constructor(options: {
    sealing: Sealing;
    clock: Clock;
    random: Random;
    lifetimeMs: number;
    endedMax: number;
  }) {
    this.sealing = options.sealing;
    this.clock = options.clock;
    this.random = options.random;
    this.lifetimeMs = options.lifetimeMs;
    this.ended = new RecentMap(options.endedMax);
  }

  issue(principal: Principal, version: LegacyVersion, capabilities: unknown): string {
    const declared = profileOf(capabilities);
    const profile = Buffer.byteLength(declared.key) > capabilitiesBytesMax ? noCapabilities : declared;
    const key = Buffer.from(this.random.bytes(16)).toString("base64url");
    const owner = ownerOf(principal);
    const at = this.clock.wall();
    const id = this.sealing.seal(JSON.stringify([format, owner, version, profile.key, msOf(at), key]));
    // Most are used at once, to say that they are initialized, and some only for one call more.
    this.opened.set(id, { key, owner, version, profile, expiresAt: plusMs(at, this.lifetimeMs) });
    return id;
  }

  /** null = not one of ours, another's, expired or ended: to a stranger all of these look the same. */
  open(id: string, principal: Principal): Session | null {
    const session = this.opened.use(id) ?? this.read(id);
    if (session === null || session.owner !== ownerOf(principal)) return null;
    if (this.ended.has(session.key)) return null;
    return elapsedMs(this.clock.wall(), session.expiresAt) < 0 ? session : null;
  }

  /**
   * An ended id is refused as long as it is among the last so many of this node. Later it would open again, for its owner alone,
   * and hold nothing: that is why a bounded memory is enough.
   */
  end(session: Session): void {
    this.ended.set(session.key, true);
  }

  private read(id: string): Session | null {
    if (id.length > idCharsMax) return null;
    const text = this.sealing.open(id);
    if (text === null) return null;
    const session = sessionFrom(text, this.lifetimeMs);
    if (session !== null) this.opened.set(id, session);
    return session;
  }
}

/** What we sealed ourselves; null = an earlier version of us sealed it in another form. */
function sessionFrom(text: string, lifetimeMs: number): Session | null {
  const parts = JSON.parse(text) as readonly unknown[];
  const [version, owner, protocol, capabilities, issuedAt, key] = parts;
  if (version !== format || typeof owner !== "string" || typeof key !== "string") return null;
  if (typeof capabilities !== "string" || typeof issuedAt !== "number") return null;
  const negotiated = legacyVersionOf(protocol);
  return negotiated === null
    ? null
    : {
        key,
        owner,
        version: negotiated,
        profile: profileOf(JSON.parse(capabilities)),
        expiresAt: plusMs(wallMs(issuedAt), lifetimeMs),
      };
}
