import type { IncomingMessage, ServerResponse } from "node:http";
import type { Result } from "../base/index.ts";
import { BodyReader } from "./body.ts";
import type { EdgeBounds, EdgeOptions, SignInDesk } from "./options.ts";
import { ownBase } from "./own-base.ts";
import type { Responder } from "./respond.ts";
import { closeAfter, closeHeader } from "./respond.ts";

/** Reads a request to a page of signing in, and sends what is answered. What is said there is `SignInDesk`'s. */
export class SignInPages {
  private readonly desk: SignInDesk;
  private readonly publicUrl: string | null;
  private readonly responder: Responder;
  private readonly bodies: BodyReader;

  constructor(parts: {
    desk: SignInDesk;
    options: Pick<EdgeOptions, "publicUrl">;
    bounds: EdgeBounds;
    responder: Responder;
  }) {
    this.desk = parts.desk;
    this.publicUrl = parts.options.publicUrl;
    this.responder = parts.responder;
    this.bodies = new BodyReader({
      bytesMax: parts.bounds.signInBodyBytesMax,
      bytesInFlightMax: parts.bounds.signInBytesInFlightMax,
    });
  }

  /** False = `path` is none of these pages. */
  async handle(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (!this.desk.serves(path)) return false;
    const body = await new Promise<Result<Buffer> | null>((resolve) => this.bodies.read(request, resolve));
    if (body === null) return true; // the client went away
    if (!body.ok) {
      this.responder.refuse(response, "public", body.refusal, { headers: closeHeader });
      closeAfter(request, this.responder.clock);
      return true;
    }
    const { method = "", url = "", headers } = request;
    const { status, contentType, text, ...answer } = await this.desk.answer({
      method,
      path,
      query: url.slice(path.length + 1),
      headers,
      body: body.value,
      base: ownBase(this.publicUrl, headers.host),
    });
    this.responder.send(response, "public", status, contentType, text, answer.headers);
    return true;
  }
}
