import { ok } from "../base/index.ts";
import type { KeyHolding } from "../identity/index.ts";
import type { Fields } from "./fields.ts";
import type { Judged } from "./problem.ts";
import { problem } from "./problem.ts";

export interface Credentials {
  readonly clientId: string;
  readonly secret: string;
}

/** Id and secret, from the header or from the form and not from both (RFC 6749 section 2.3.1). */
export function credentialsIn(fields: Fields, authorization: string | undefined): Judged<Credentials> {
  const inForm = { clientId: fields.get("client_id"), secret: fields.get("client_secret") };
  if (authorization === undefined) {
    const { clientId, secret } = inForm;
    return clientId === undefined || secret === undefined ? missing : ok({ clientId, secret });
  }
  const basic = basicOf(authorization);
  if (basic === null) return missing;
  const isTwice = inForm.secret !== undefined || (inForm.clientId ?? basic.clientId) !== basic.clientId;
  return isTwice ? problem("invalid_request", "The client says twice who it is.") : ok(basic);
}

/** The name of a principal, or its id with its kind or without. */
export const isNamed = ({ record }: KeyHolding, clientId: string): boolean =>
  clientId === record.name || clientId === record.id || `${record.kind}/${clientId}` === record.id;

function basicOf(authorization: string): Credentials | null {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1];
  const parts = /^([^:]+):(.+)$/s.exec(Buffer.from(encoded ?? "", "base64").toString("utf8"));
  const clientId = formDecoded(parts?.[1] ?? "");
  const secret = formDecoded(parts?.[2] ?? "");
  return clientId === "" || secret === "" ? null : { clientId, secret };
}

/** "" = it is not encoded so. */
function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return "";
  }
}

export const noSuchClient = problem(
  "invalid_client",
  "client_id has to be the name or id of an agent or a service, and client_secret an API key of it.",
);
const missing = problem(
  "invalid_client",
  "client_id and client_secret are needed, by HTTP Basic or in the form.",
);
