/**
 *  refused-address  the SSRF guard said no
 *  dns, connect, tls  no connection was made
 *  forbidden        the owner's `mayStart` said no
 *  aborted          the caller's signal, or the owner, ended it
 *  deadline         the request's deadline passed
 *  closed           the pool is closed
 *  lost             the connection ended before the response was complete
 *  too-large        the response body is beyond its bound
 *  protocol         what came back is not HTTP, or its headers are beyond their bound
 */
export type NetFailureKind =
  | "refused-address"
  | "dns"
  | "connect"
  | "tls"
  | "forbidden"
  | "aborted"
  | "deadline"
  | "closed"
  | "lost"
  | "too-large"
  | "protocol";

/** `sent` is exact: false proves that not one byte of the request left this process. */
export class NetFailure extends Error {
  override readonly name = "NetFailure";
  readonly kind: NetFailureKind;
  readonly sent: boolean;

  constructor(kind: NetFailureKind, sent: boolean, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.sent = sent;
  }
}

/** Names an error of undici, node:net or node:tls. */
export function failureFrom(error: unknown, sent: boolean): NetFailure {
  if (error instanceof NetFailure) {
    return error.sent === sent ? error : new NetFailure(error.kind, sent, error.message, error.cause);
  }
  const code = codeOf(error);
  const detail = error instanceof Error && error.message !== "" ? error.message : code;
  return new NetFailure(kindOf(code, sent), sent, detail, error);
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

function kindOf(code: string, sent: boolean): NetFailureKind {
  if (code === "UND_ERR_DESTROYED" || code === "UND_ERR_CLOSED") return sent ? "lost" : "closed";
  if (code === "UND_ERR_HEADERS_OVERFLOW") return "protocol";
  if (code.startsWith("HPE_") || code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH") return "protocol";
  if (sent) return "lost";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "dns";
  if (code.startsWith("ERR_TLS") || code.startsWith("ERR_SSL") || isCertificateCode(code)) return "tls";
  return "connect";
}

const certificateCodes = /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|EPROTO$)/;

const isCertificateCode = (code: string): boolean => certificateCodes.test(code);
