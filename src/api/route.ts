import type { Schema } from "./schema.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 *  read  shows something and changes nothing
 *  act   changes something or discloses what is sealed
 */
export type RouteKind = "read" | "act";

/** One row of a table of routes: what is served, checked and documented is all in here. */
export interface RouteRow {
  readonly method: Method;
  /** Below /api/v1, with `{name}` for each parameter. */
  readonly path: string;
  readonly summary: string;
  /** What else a caller should know; null = nothing. */
  readonly notes: string | null;
  /**
   *  public               for anyone, without a token
   *  admin.<noun>.<verb>  what policy is asked
   *  own.<noun>.<verb>    for whoever the thing belongs to
   */
  readonly action: string;
  readonly kind: RouteKind;
  readonly params: Readonly<Record<string, Schema>>;
  readonly query: Readonly<Record<string, Schema>>;
  /** null = takes no body. */
  readonly body: Schema | null;
  /** A body that fits, for readers and for tests; null = takes no body. */
  readonly example: unknown;
  readonly answer: Answer;
}

/** `schema` describes the JSON body, or the text as a string. Bytes are handed on as they are made. */
export interface Answer {
  readonly status: 200 | 201;
  readonly type: "application/json" | "text/plain" | "application/octet-stream";
  readonly schema: Schema;
}
