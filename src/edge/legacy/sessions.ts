import type { ListenHub } from "../listen-hub.ts";
import type { EdgeBounds, EdgeOptions } from "../options.ts";
import type { Responder } from "../respond.ts";
import { Questions } from "./questions.ts";
import { Resumptions } from "./resumptions.ts";
import { SessionIds } from "./session-ids.ts";
import { SessionListener } from "./session-listener.ts";
import type { SessionState } from "./session-state.ts";
import { SessionStates } from "./session-states.ts";
import type { Exchange } from "../exchange.ts";

export interface LegacySessionsOptions {
  readonly options: EdgeOptions;
  readonly bounds: EdgeBounds;
  readonly responder: Responder;
  readonly hub: ListenHub;
}

/** All that the older era remembers: ids that carry their sessions, and what is open of some of them on this node. */
export class LegacySessions {
  readonly ids: SessionIds;
  readonly states: SessionStates;
  readonly questions: Questions;
  readonly resumptions: Resumptions;
  private readonly hub: ListenHub;
  private readonly bounds: EdgeBounds;

  constructor({ options, bounds, hub }: LegacySessionsOptions) {
    this.hub = hub;
    this.bounds = bounds;
    this.ids = new SessionIds({
      sealing: options.sessionSealing,
      clock: options.clock,
      random: options.random,
      lifetimeMs: bounds.sessionLifetimeMs,
      endedMax: bounds.sessionsEndedMax,
    });
    this.resumptions = new Resumptions(options);
    this.states = new SessionStates({ clock: options.clock, bounds });
    this.questions = new Questions(options, this.states);
  }

  /** Sessions of which something is kept between requests. */
  get size(): number {
    return this.states.size;
  }

  start(): void {
    this.states.start();
  }

  /** Withdraws what is left. The sessions themselves go on with whoever has the same keys. */
  stop(): void {
    this.states.stop();
    this.resumptions.stop();
  }

  /** The listener of a state, made if it has none. Whoever adds nothing to it lets the state settle. */
  listenerOf(state: SessionState, exchange: Exchange): SessionListener {
    if (state.listener !== null) return state.listener;
    const listener: SessionListener = new SessionListener(
      {
        hub: this.hub,
        bytesWaitingMax: this.bounds.listenBytesWaitingMax,
        profile: state.session.profile,
        onNothingLeft: () => {
          if (state.listener === listener) state.listener = null;
          this.states.settle(state);
        },
      },
      exchange,
    );
    state.listener = listener;
    return listener;
  }
}
