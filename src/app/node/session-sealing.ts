import { Fault } from "../../base/index.ts";
import type { Sealing } from "../../edge/index.ts";
import type { Keys } from "../../keys/index.ts";

const scope = "edge/sessions";
/** So that nothing else that may once be sealed under this scope can pass as a session. */
const boundTo = "session id";

/** Seals session ids under a key of the installation; destroying it ends all sessions. `keys` must have been started. */
export async function sessionSealing(keys: Keys): Promise<Sealing> {
  const key = await keys.scopeKey(scope);
  return {
    seal: (text) => Buffer.from(keys.seal(key, text, boundTo)).toString("base64url"),
    open: (sealed) => {
      try {
        return Buffer.from(keys.open(key, Buffer.from(sealed, "base64url"), boundTo)).toString("utf8");
      } catch (thrown) {
        if (thrown instanceof Fault) return null;
        throw thrown;
      }
    },
  };
}
