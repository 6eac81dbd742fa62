import type { Clock, Deadline, Fault } from "../base/index.ts";
import type { Features, Profile, ServerRecord } from "../registry/index.ts";
import { noCapabilities } from "../registry/index.ts";
import type { UpstreamCount } from "./events.ts";
import type { UpstreamRequest } from "./exchange.ts";
import type { UpstreamLimits } from "./limits.ts";
import type { LineOwner } from "./line-owner.ts";
import type { Links } from "./lists/line-catalogue.ts";
import { LineCatalogue } from "./lists/line-catalogue.ts";
import type { OfferedTool } from "./list-tools.ts";
import { ProfileLines } from "./profile-lines.ts";
import { seenProfile } from "./seen-profile.ts";
import type { ServerLink } from "./server-link.ts";
import { LineWatches } from "./watch/line-watches.ts";
import type { Watches } from "./watch/watches.ts";

export interface LineOfferContext {
  readonly clock: Clock;
  readonly limits: UpstreamLimits;
  readonly watches: Watches;
  readonly record: () => ServerRecord;
  /** null = the server is not connected. */
  readonly base: () => ServerLink | null;
  readonly notConnected: () => Fault;
  readonly open: (
    profile: Profile,
    owner: LineOwner,
    deadline: Deadline,
    signal: AbortSignal,
  ) => Promise<ServerLink>;
  readonly onConnected: (link: ServerLink, tookMs: number) => void;
  readonly onFeatures: (profile: Profile, features: Features, definitions: readonly OfferedTool[]) => void;
  readonly onProfileGone: (profile: Profile) => void;
  /** The server said, or something suggests, that its lists are not what they were. */
  readonly onChanged: () => void;
  readonly stderr: (line: string) => void;
  readonly count: (what: UpstreamCount) => void;
  /** Aborts when the line ends. */
  readonly signal: AbortSignal;
}

type JsonObject = Readonly<Record<string, unknown>>;

const updatedMethod = "notifications/resources/updated";
const listChangedMethods: ReadonlySet<string> = new Set([
  "notifications/tools/list_changed",
  "notifications/resources/list_changed",
  "notifications/prompts/list_changed",
]);

/** What one connected server offers to whom: over which connection, with which catalogue, and what of it is watched. */
export class LineOffer {
  readonly profiles: ProfileLines;
  readonly catalogue: LineCatalogue;
  readonly watches: LineWatches;
  private readonly context: LineOfferContext;

  constructor(context: LineOfferContext) {
    this.context = context;
    this.profiles = new ProfileLines({
      ...context,
      onNotification: (link, method, params) => this.heard(link, method, params),
      onMissed: (link, why) => this.missed(link, why),
    });
    const shared = {
      clock: context.clock,
      limits: context.limits,
      links: this.links(),
      serverName: () => context.record().name,
      signal: context.signal,
      onCount: context.count,
    };
    this.watches = new LineWatches({ ...shared, watches: context.watches });
    this.catalogue = new LineCatalogue({
      ...shared,
      onListed: (profile, { features, definitions }) => context.onFeatures(profile, features, definitions),
      onGone: context.onProfileGone,
    });
  }

  /** The connection for a caller of this profile. A promise where it has to be made first. */
  linkFor(base: ServerLink, request: UpstreamRequest): ServerLink | Promise<ServerLink> {
    if (base.wire.era === "modern") return base;
    const seen = seenProfile(request.profile, base.wire.era);
    // Who cannot be asked anything needs no connection to himself.
    if (seen.key === noCapabilities.key) return base;
    return this.profiles.link(seen, request.caller, request.deadline, request.signal);
  }

  /** A connection was taken into service: from now on the server is listened to. */
  begin(link: ServerLink): void {
    link.start({
      onNotification: (method, params) => this.heard(link, method, params),
      onMissed: () => this.missed(link, "stream"),
    });
    this.watches.restore();
  }

  tick(): void {
    this.profiles.closeIdle();
    this.catalogue.tick();
    this.watches.restore();
  }

  /** What the server notified without being asked. */
  notified(link: ServerLink, method: string, params: JsonObject): void {
    // A modern server says on its stream which resources were updated, and nowhere else.
    if (link.wire.era === "legacy" || method !== updatedMethod) this.heard(link, method, params);
  }

  missed(link: ServerLink, why: "stream" | "session"): void {
    this.watches.missed(link, why);
    this.changed();
  }

  private heard(link: ServerLink, method: string, params: JsonObject): void {
    if (listChangedMethods.has(method)) this.changed();
    else if (method === updatedMethod) this.watches.updated(link, params["uri"]);
  }

  private changed(): void {
    this.catalogue.stale();
    this.context.onChanged();
  }

  private links(): Links {
    const { base, notConnected } = this.context;
    const isBase = (seen: Profile): boolean =>
      seen.key === noCapabilities.key || base()?.wire.era === "modern";
    return {
      base,
      standing: (seen) => (isBase(seen) ? base() : this.profiles.standing(seen)),
      link: async (seen, deadline, signal) => {
        const link = base();
        if (link === null) throw notConnected();
        return isBase(seen) ? link : this.profiles.link(seen, null, deadline, signal);
      },
    };
  }
}
