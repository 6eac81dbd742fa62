/**
 * api: what a table of HTTP routes is. A row says what is served; from it come the matching of paths, the checking of parameters
 * and bodies, the types of handlers, the shape of answers and refusals, and the OpenAPI description. Knows no route and no domain
 * word.
 *
 * Identities: none. Bounds: paths of 2,048 characters, tokens of 8,192, bodies as each table says, sixty-four of them at once.
 * Errors: refusals of contract/codes.ts. Signals: none.
 */
export { bearerToken } from "./bearer.ts";
export { Matcher, apiPrefix } from "./match.ts";
export type { Match } from "./match.ts";
export { openApi } from "./openapi.ts";
export { BodyReader } from "./read-body.ts";
export { checkParams, readQuery } from "./read-request.ts";
export { sendAnswer, sendFailure, sendStream } from "./respond.ts";
export type { Failure } from "./respond.ts";
export type { Answer, Method, RouteKind, RouteRow } from "./route.ts";
export {
  anything,
  digest,
  flag,
  instant,
  instantOrNull,
  listOf,
  mapOf,
  nameOf,
  named,
  object,
  objectWith,
  pageOf,
  receipt,
  text,
  textOrNull,
  whole,
} from "./schema.ts";
export type { Schema, Shape } from "./schema.ts";
export { rowOf } from "./typed-route.ts";
export type { NoSchemas, RouteDefinition, RouteInput } from "./typed-route.ts";
export { misfit } from "./validate.ts";
