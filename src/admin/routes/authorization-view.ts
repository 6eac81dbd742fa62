import type { ServerRecord } from "../../registry/index.ts";
import type { House } from "../house.ts";
import { iso } from "../instant.ts";
import type { Shape } from "../../api/index.ts";
import { flag, instantOrNull, named, object, textOrNull } from "../../api/index.ts";

/** As `GET /servers/{server}` shows it. */
export const authorization = named(
  "Authorization",
  object({
    state: {
      enum: ["authorized", "needed"],
      description: "needed = a person has to consent: POST /servers/{server}/authorize",
    },
    issuer: { ...textOrNull, description: "whose tokens are used; null = not known yet" },
    scope: textOrNull,
    expiresAt: { ...instantOrNull, description: "of the present token; null = none, or it was not said" },
    canRenew: { ...flag, description: "whether a new token can be had without a person" },
    wanted: { ...textOrNull, description: "scopes the server has asked for and the token does not have" },
  }),
);

/** null = the server's record asks for no token of its own. */
export async function authorizationView(
  house: House,
  record: ServerRecord,
): Promise<Shape<typeof authorization> | null> {
  const state = await house.upstreams.authorizations.state(record);
  if (state === null) return null;
  const { expiresAt } = state;
  return { ...state, expiresAt: expiresAt === null ? null : iso(expiresAt) };
}
