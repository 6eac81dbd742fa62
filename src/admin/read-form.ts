import type { IncomingMessage } from "node:http";
import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";

/** A state, a code and a confirmation: the longest codes seen have 2 KB. */
const formBytesMax = 16 * 1024;

/** The fields of a posted HTML form. Null = the browser went away. */
export function readForm(request: IncomingMessage): Promise<Result<URLSearchParams> | null> {
  const type = request.headers["content-type"] ?? "";
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) {
    return Promise.resolve(refuse({ code: "unsupported-media-type", detail: "This takes a form." }));
  }
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= formBytesMax) chunks.push(chunk);
    });
    request.once("end", () =>
      resolve(
        bytes <= formBytesMax
          ? ok(new URLSearchParams(Buffer.concat(chunks).toString("utf8")))
          : refuse({ code: "body-too-large", detail: "The form is too large." }),
      ),
    );
    request.once("error", () => resolve(null));
    request.once("close", () => resolve(null));
  });
}
