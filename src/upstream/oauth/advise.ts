import { Fault } from "../../base/index.ts";
import type { ServerRecord } from "../../registry/index.ts";
import { Trouble } from "../trouble.ts";

/** A server that wants a token and was given nothing: says what a person can do about it. Anything else passes through. */
export function withAdvice(record: ServerRecord, thrown: unknown): unknown {
  const { transport, name } = record;
  if (transport.kind !== "http" || (transport.auth ?? null) !== null) return thrown;
  if (!(thrown instanceof Fault) || thrown.evidence["status"] !== 401) return thrown;
  if (Object.keys(transport.headers).some((header) => header.toLowerCase() === "authorization"))
    return thrown;
  return new Trouble(
    "dependency",
    `it asks for authorization (HTTP 401). Where it uses OAuth: signalbox servers change ${name} --upstream ${transport.url} --auth oauth, then signalbox servers authorize ${name}; where it takes a fixed token, give it as a header`,
    thrown,
  );
}
