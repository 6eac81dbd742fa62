import type { Era } from "./fixture/fixture.ts";
import { Fixture } from "./fixture/fixture.ts";
import { Gateway } from "./gateway.ts";

/** A server of one era, and the gateway in front of it. */
export class Post {
  readonly fixture: Fixture;
  readonly gateway: Gateway;
  private last: Promise<unknown> = Promise.resolve();

  static async start(era: Era): Promise<Post> {
    const fixture = await Fixture.start(era);
    try {
      return new Post(fixture, await Gateway.start(fixture.url));
    } catch (error) {
      await fixture.stop();
      throw error;
    }
  }

  private constructor(fixture: Fixture, gateway: Gateway) {
    this.fixture = fixture;
    this.gateway = gateway;
  }

  /**
   * One run after the other: two of them make the same calls as the same caller, and a call beside an identical one that is still
   * open is refused.
   */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.last.then(run);
    this.last = mine.catch(() => undefined);
    return mine;
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.fixture.stop();
  }
}
