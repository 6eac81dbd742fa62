import type { Fault } from "../base/index.ts";
import type { AskPost } from "./call-asks.ts";
import { CallAsks } from "./call-asks.ts";
import type { UpstreamReply, UpstreamRequest } from "./exchange.ts";
import type { AskedCall } from "./unplaced-asks.ts";

/** One call on a stream that many calls share. Settled once, by whoever takes it out of the open ones. */
export class MultiplexedCall implements AskedCall {
  readonly id: number;
  readonly request: UpstreamRequest;
  /** Whether a byte of it may have left. */
  wasSent = false;
  /** The server has been told that it is withdrawn. */
  wasTold = false;
  /** Gives up sending what has not left yet. */
  unsend: () => void = () => undefined;
  private readonly connection: AskPost;
  private readonly resolve: (reply: UpstreamReply) => void;
  private readonly reject: (fault: Fault) => void;
  private made: CallAsks | null = null;

  constructor(
    id: number,
    request: UpstreamRequest,
    connection: AskPost,
    resolve: (reply: UpstreamReply) => void,
    reject: (fault: Fault) => void,
  ) {
    this.id = id;
    this.request = request;
    this.connection = connection;
    this.resolve = resolve;
    this.reject = reject;
  }

  get asks(): CallAsks {
    this.made ??= new CallAsks(this.request, this.connection);
    return this.made;
  }

  withdrawAsk(id: unknown): boolean {
    return this.made?.withdraw(id) === true;
  }

  succeed(reply: UpstreamReply): void {
    this.made?.end();
    this.resolve(reply);
  }

  fail(fault: Fault): void {
    this.made?.end();
    this.reject(fault);
  }
}
