import type { Clock } from "../base/index.ts";
import type { Era, Profile, ServerRecord } from "../registry/index.ts";
import type { UpstreamReply, UpstreamRequest } from "./exchange.ts";
import { LegacyLogLevel } from "./legacy-log-level.ts";
import type { MultiplexedStream } from "./multiplexed-stream.ts";
import type { Trouble } from "./trouble.ts";
import type { Described, StreamListener, Wire, WireStream } from "./wire.ts";

/** A wire of which all calls share one stream. The stream is told the era by whoever opened it. */
export class MultiplexedWire implements Wire {
  readonly era: Era;
  readonly described: Described;
  private readonly record: ServerRecord;
  private readonly stream: MultiplexedStream;
  private readonly envelope: string;
  private readonly closeTransport: () => Promise<void>;
  private readonly stopping = new AbortController();
  /** null = there is none to set: the newer era names it in each request, and not every server logs. */
  private readonly logLevel: LegacyLogLevel | null;

  /** `envelope`: of modern requests; "" = the legacy era. */
  constructor(options: {
    readonly clock: Clock;
    readonly record: ServerRecord;
    readonly stream: MultiplexedStream;
    readonly described: Described;
    readonly envelope: string;
    readonly close: () => Promise<void>;
  }) {
    this.era = options.envelope === "" ? "legacy" : "modern";
    this.record = options.record;
    this.stream = options.stream;
    this.described = options.described;
    this.envelope = options.envelope;
    this.closeTransport = options.close;
    const setsLevel = this.era === "legacy" && this.described.capabilities["logging"] !== undefined;
    this.logLevel = setsLevel
      ? new LegacyLogLevel(options.clock, this.stopping.signal, (request) => this.stream.send(request, ""))
      : null;
  }

  get inFlight(): number {
    return this.stream.inFlight;
  }

  get trouble(): Trouble | null {
    return this.stream.trouble;
  }

  exchange(request: UpstreamRequest): Promise<UpstreamReply> {
    const levelSet = this.logLevel?.before(request) ?? null;
    if (levelSet === null) return this.stream.send(request, this.envelope);
    return levelSet.then(() => this.stream.send(request, this.envelope));
  }

  listen(paramsText: string, profile: Profile, listener: StreamListener): WireStream | null {
    if (this.era === "legacy") return null;
    return this.stream.listen(this.record, paramsText, profile, this.envelope, listener);
  }

  setParamHeaders(): void {
    // Only modern HTTP has headers that mirror arguments.
  }

  close(): Promise<void> {
    this.stopping.abort();
    return this.closeTransport();
  }
}
