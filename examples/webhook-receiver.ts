import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { createServer } from "node:http";

/**
 * Hears of approvals on http://127.0.0.1:8080, and believes only what is signed. Libraries for many languages do the same:
 * standardwebhooks.com.
 *
 *     WEBHOOK_SECRET=whsec_… node examples/webhook-receiver.ts
 */
export function isGenuine(headers: IncomingHttpHeaders, body: string, secret: string): boolean {
  const [id, at, signatures] = ["id", "timestamp", "signature"].map((name) =>
    String(headers[`webhook-${name}`]),
  );
  // What is older than five minutes may have been played to us by somebody who only listened.
  if (!(Math.abs(Date.now() / 1000 - Number(at)) < 300)) return false;
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const wanted = Buffer.from(
    `v1,${createHmac("sha256", key).update(`${id}.${at}.${body}`).digest("base64")}`,
  );
  return (signatures ?? "").split(" ").some((signature) => {
    const given = Buffer.from(signature);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}

interface Message {
  readonly type: string;
  readonly data: {
    readonly approval: string;
    readonly tool: string;
    readonly requester: { readonly name: string | null };
    readonly groups: readonly string[];
    readonly url: string;
    readonly outcome?: string;
  };
}

if (import.meta.main) {
  // The same message can come twice; its id stays the same.
  const heard = new Set<unknown>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      if (!isGenuine(request.headers, body, process.env["WEBHOOK_SECRET"] ?? "")) {
        response.writeHead(401).end();
        return;
      }
      response.writeHead(204).end();
      const id = request.headers["webhook-id"];
      if (heard.has(id)) return;
      heard.add(id);
      const { type, data } = JSON.parse(body) as Message;
      console.log(
        type === "approval.decided"
          ? `${data.tool}: ${data.outcome}`
          : `${data.requester.name} asks ${data.groups.join(" and ")} for ${data.tool}: ${data.url}`,
      );
    });
  });
  server.listen(8_080, "127.0.0.1");
}
