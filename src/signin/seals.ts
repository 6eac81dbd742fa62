import { Fault } from "../base/index.ts";
import type { Keys } from "../keys/index.ts";
import { sealedCharsMax } from "./bounds.ts";

/** A registered client, a request that waits on a page, a code. One can never pass as another. */
type Kind = "client" | "request" | "code";

const scope = "signin";

/**
 * What strangers hold for us: sealed, so that none of them can read, make or change one, and any node with the same keys opens it.
 * Destroying the scope's key forgets all clients that ever registered.
 */
export class Seals {
  private readonly keys: Pick<Keys, "scopeKey" | "seal" | "open">;

  constructor(keys: Pick<Keys, "scopeKey" | "seal" | "open">) {
    this.keys = keys;
  }

  async seal(kind: Kind, content: object): Promise<string> {
    const key = await this.keys.scopeKey(scope);
    return Buffer.from(this.keys.seal(key, JSON.stringify(content), `signin/${kind}/1`)).toString(
      "base64url",
    );
  }

  /** What `seal` was given; null = this is none of ours. */
  async open(kind: Kind, sealed: string): Promise<unknown> {
    if (sealed.length > sealedCharsMax || !/^[A-Za-z0-9_-]+$/.test(sealed)) return null;
    const bytes = Buffer.from(sealed, "base64url");
    // Base64 has several ways to write the last character; only ours is the one that was given out.
    if (bytes.toString("base64url") !== sealed) return null;
    const key = await this.keys.scopeKey(scope);
    try {
      return JSON.parse(
        Buffer.from(this.keys.open(key, bytes, `signin/${kind}/1`)).toString("utf8"),
      ) as unknown;
    } catch (thrown) {
      if (thrown instanceof Fault) return null;
      throw thrown;
    }
  }
}
