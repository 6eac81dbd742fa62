import type { Clock } from "../../base/index.ts";
import { Fault, seededRandom } from "../../base/index.ts";
import { Net } from "../../net/index.ts";
import { noCapabilities } from "../../registry/index.ts";
import type { Era, Profile, ServerRecord } from "../../registry/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../exchange.ts";
import { defaultUpstreamLimits } from "../limits.ts";
import { ServerLink } from "../server-link.ts";
import type { LinkContext } from "../server-link.ts";
import type { Described, StreamListener, Wire, WireStream } from "../wire.ts";
import type { Links } from "./line-catalogue.ts";

type List = "tools" | "resources" | "prompts";

const described: Described = {
  capabilities: {
    tools: { listChanged: true },
    resources: { listChanged: true, subscribe: true },
    prompts: { listChanged: true },
  },
  serverInfo: null,
  instructions: null,
};

/** A server in this process whose answers come when `pause` lets them, and say what is offered at that moment. */
export class FakeServer {
  readonly base: ServerLink;
  readonly links: Links;
  private readonly era: Era;
  private readonly pause: () => Promise<unknown>;
  private readonly offered: { readonly list: List; readonly name: string; readonly needs: string | null }[] =
    [];
  private readonly others = new Map<string, ServerLink>();
  private readonly context: LinkContext;

  constructor(era: Era, clock: Clock, pause: () => Promise<unknown>) {
    this.era = era;
    this.pause = pause;
    this.context = linkContext(clock);
    this.base = this.linkFor(noCapabilities);
    this.links = {
      base: () => this.base,
      standing: (seen) => (this.isBase(seen) ? this.base : (this.others.get(seen.key) ?? null)),
      link: async (seen) => {
        if (this.isBase(seen)) return this.base;
        await this.pause();
        const link = this.others.get(seen.key) ?? this.linkFor(seen);
        this.others.set(seen.key, link);
        return link;
      },
    };
  }

  offer(list: string, needs: string | null): void {
    const name = `${list}-${this.offered.length}`;
    this.offered.push({ list: list as List, name, needs });
  }

  close(profile: Profile): void {
    this.others.delete(profile.key);
  }

  offeredTo({ capabilities }: Profile): readonly string[] {
    return (["tools", "resources", "prompts"] as const).flatMap((list) => this.names(list, capabilities));
  }

  private names(list: List, capabilities: Readonly<Record<string, unknown>>): readonly string[] {
    return this.offered
      .filter((one) => one.list === list && (one.needs === null || one.needs in capabilities))
      .map(({ name }) => name);
  }

  private isBase(seen: Profile): boolean {
    return this.era === "modern" || seen.key === noCapabilities.key;
  }

  private linkFor(profile: Profile): ServerLink {
    const wire = new FakeWire(this.era, async (request) => {
      await this.pause();
      return this.answer(request, this.era === "modern" ? request.profile : profile);
    });
    return new ServerLink(wire, profile, this.context, fakeRecord);
  }

  private answer({ method }: UpstreamRequest, { capabilities }: Profile): UpstreamReply {
    switch (method) {
      case "tools/list":
        return result({
          tools: this.names("tools", capabilities).map((name) => ({ name, inputSchema: {} })),
        });
      case "resources/list":
        return result({ resources: this.names("resources", capabilities).map((uri) => ({ uri })) });
      case "prompts/list":
        return result({ prompts: this.names("prompts", capabilities).map((name) => ({ name })) });
      default:
        return { kind: "rejected", error: { code: -32601, message: "Method not found" } };
    }
  }
}

/** A wire that answers as it is told to and keeps its streams for looking at. */
export class FakeWire implements Wire {
  readonly era: Era;
  readonly described = described;
  readonly trouble = null;
  readonly inFlight = 0;
  readonly streams: {
    readonly uris: readonly string[];
    readonly listener: StreamListener;
    isOpen: boolean;
  }[] = [];
  readonly exchange: (request: UpstreamRequest) => Promise<UpstreamReply>;

  constructor(era: Era, exchange: (request: UpstreamRequest) => Promise<UpstreamReply>) {
    this.era = era;
    this.exchange = exchange;
  }

  listen(paramsText: string, _profile: Profile, listener: StreamListener): WireStream | null {
    const { notifications } = JSON.parse(paramsText) as {
      readonly notifications: { readonly resourceSubscriptions?: readonly string[] };
    };
    const stream = { uris: notifications.resourceSubscriptions ?? [], listener, isOpen: true };
    this.streams.push(stream);
    return { close: () => (stream.isOpen = false) };
  }

  setParamHeaders(): void {
    // Nothing is mirrored here.
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

const result = (value: Readonly<Record<string, unknown>>): UpstreamReply => ({
  kind: "result",
  raw: JSON.stringify(value),
  value,
});

export const fakeRecord = {
  tenant: "default",
  id: "srv_fake",
  name: "box",
  transport: { kind: "http", url: "http://box.example/mcp", headers: {} },
  origin: "api",
  enabled: true,
  era: null,
  callTimeoutMs: 1_000,
  concurrencyMax: 10,
  resultBytesMax: 1_000,
  version: 1,
} as unknown as ServerRecord;

/** What a link needs of the house; nothing of it reaches the network. */
function linkContext(clock: Clock): LinkContext {
  const never = (): never => {
    throw new Fault("internal", "the fake server has no use for this");
  };
  const context: Pick<LinkContext, "clock" | "random" | "limits" | "net" | "clientVersion"> = {
    clock,
    random: seededRandom(1),
    limits: defaultUpstreamLimits,
    net: new Net({ clock }),
    clientVersion: "0",
  };
  return { ...context, reveal: never, allowedFor: () => [] } as unknown as LinkContext;
}
