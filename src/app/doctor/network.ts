import { createServer } from "node:net";
import type { Clock } from "../../base/index.ts";
import { nodeHttp } from "../../base/index.ts";
import type { Config } from "../config/config.ts";
import type { Finding } from "./finding.ts";
import { failed, fine, odd, systemCode } from "./finding.ts";

/** A node answers its probes at once, or it has other worries. */
const probeMs = 2_000;

/** Whether the address is free, or who has it: a node of ours says so itself. */
export async function checkListening({ listen }: Config, clock: Clock): Promise<Finding> {
  const id = "listen";
  const { host, port } = listen;
  const place = `${host}:${port}`;
  const taken = await whyNotListen(host, port);
  if (taken === null) return fine(id, `${place} is free`);
  if (taken !== "EADDRINUSE") {
    return failed(
      id,
      `${place} cannot be listened on (${taken})`,
      "Choose another host or port in `listen`, or with --host and --port.",
    );
  }
  const answer = await readiness(host, port, clock);
  if (answer === null) {
    return failed(
      id,
      `${place} is taken by something that is not Signalbox`,
      "Stop it, or choose another port with --port.",
    );
  }
  return answer.ready
    ? fine(id, `a node answers at ${place} and is ready`)
    : odd(
        id,
        `a node answers at ${place} and is not ready: ${answer.waitingFor.join("; ")}`,
        "Look at its log.",
      );
}

/** Null = it works. */
function whyNotListen(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(systemCode(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

interface Ready {
  readonly ready: boolean;
  readonly waitingFor: readonly string[];
}

function readiness(host: string, port: number, clock: Clock): Promise<Ready | null> {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  const deadline = new AbortController();
  const cancel = clock.after(probeMs, () => deadline.abort());
  return new Promise<Ready | null>((resolve) => {
    const request = nodeHttp().get(
      { host: reachable, port, path: "/readyz", signal: deadline.signal },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text = (text + chunk).slice(0, 10_000);
        });
        response.once("end", () => resolve(readyOf(text)));
        response.once("error", () => resolve(null));
      },
    );
    request.once("error", () => resolve(null));
  }).finally(cancel);
}

function readyOf(text: string): Ready | null {
  try {
    const said = JSON.parse(text) as Partial<Ready> | null;
    if (typeof said?.ready !== "boolean" || !Array.isArray(said.waitingFor)) return null;
    return { ready: said.ready, waitingFor: said.waitingFor.map(String) };
  } catch {
    return null;
  }
}
