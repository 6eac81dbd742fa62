import type { IncomingMessage } from "node:http";
import type { Result } from "../base/index.ts";
import { Cohort, ok, parseStrictBytes, refuse } from "../base/index.ts";
import type { RouteRow } from "./route.ts";
import { misfit } from "./validate.ts";

/** All bodies that are being read: sixty-four of the largest. */
const largestAtOnce = 64;

/** Reads bodies and counts the bytes of all that are under way, so that many slow uploads together stay bounded as well. */
export class BodyReader {
  private readonly bytesMax: number;
  private bytesInFlight = 0;
  /** Whole bodies of one turn are answered together. */
  private readonly whole = new Cohort<() => void>((done) => done());

  /** `bytesMax`: of one body. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Null = the caller went away. The body was parsed strictly and fits the route's schema. */
  async read(request: IncomingMessage, route: RouteRow): Promise<Result<unknown> | null> {
    if (route.body === null) return ok(null);
    const type = request.headers["content-type"] ?? "";
    if (!/^application\/json(?:\s*;\s*charset="?utf-8"?)?\s*$/i.test(type)) {
      return refuse({ code: "unsupported-media-type", detail: "The body must be application/json." });
    }
    const encoding = request.headers["content-encoding"];
    if (encoding !== undefined && encoding !== "identity") {
      return refuse({ code: "unsupported-media-type", detail: "The body must not be compressed." });
    }
    const bytes = await this.bytesOf(request);
    if (bytes === null || !bytes.ok) return bytes;
    const parsed = parseStrictBytes(bytes.value);
    if (!parsed.ok) return parsed;
    const problem = misfit(route.body, parsed.value, "body");
    return problem === null ? parsed : refuse(problem);
  }

  private bytesOf(request: IncomingMessage): Promise<Result<Buffer> | null> {
    const { bytesMax } = this;
    const announced = Number(request.headers["content-length"] ?? 0);
    if (announced > bytesMax) return Promise.resolve(tooLarge(String(announced), bytesMax));
    return new Promise((resolve) => {
      let chunks: Buffer[] = [];
      let bytes = 0;
      let isDone = false;
      const finish = (body: Result<Buffer> | null): void => {
        if (isDone) return;
        isDone = true;
        this.bytesInFlight -= bytes;
        chunks = []; // what still comes is read and thrown away, so that the caller can hear why
        resolve(body);
      };
      request.on("data", (chunk: Buffer) => {
        if (isDone) return;
        bytes += chunk.length;
        this.bytesInFlight += chunk.length;
        if (bytes > bytesMax) finish(tooLarge(`more than ${bytesMax}`, bytesMax));
        else if (this.bytesInFlight > largestAtOnce * bytesMax) {
          finish(refuse({ code: "queue-full", detail: "Too many bodies are being read at once." }));
        } else chunks.push(chunk);
      });
      let isWhole = false;
      const lost = (): void => {
        if (!isWhole) finish(null);
      };
      request.once("end", () => {
        isWhole = true;
        this.whole.add(() => finish(ok(Buffer.concat(chunks))));
      });
      request.once("error", lost);
      request.once("close", lost);
    });
  }
}

const tooLarge = (size: string, bytesMax: number): Result<never> =>
  refuse({ code: "body-too-large", detail: `It has ${size} bytes; at most ${bytesMax} are accepted.` });
