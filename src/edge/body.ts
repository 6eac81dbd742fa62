import type { Refusal } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { Cohort, ok, refuse } from "../base/index.ts";
import type { McpRequest } from "./exchange.ts";

/** Counts the bytes of all bodies that are being read, so that many slow uploads together stay bounded as well. */
export class BodyReader {
  private readonly bytesMax: number;
  private readonly bytesInFlightMax: number;
  private bytesInFlight = 0;
  private readonly whole = new Cohort<() => void>((done) => done());

  constructor(options: { bytesMax: number; bytesInFlightMax: number }) {
    this.bytesMax = options.bytesMax;
    this.bytesInFlightMax = options.bytesInFlightMax;
  }

  /**
   * Calls `done` once, with the whole body or with why not; null = the client went away. A body that is too large is refused at
   * the first byte too many, or at its announcement. A callback and no promise: this is the hot path. Whole bodies of one turn are
   * answered together.
   */
  read(request: McpRequest, done: (body: Result<Buffer> | null) => void): void {
    if ("body" in request) {
      const { body, socket } = request;
      // A call that waits for people keeps its request, and has what was in the body.
      request.body = empty;
      this.whole.add(() => done(socket.destroyed ? null : ok(body)));
      return;
    }
    const announced = request.headers["content-length"];
    if (announced !== undefined && Number(announced) > this.bytesMax) {
      done(this.tooLarge(announced));
      return;
    }
    if (request.destroyed && !request.readableEnded) {
      done(null); // went away while its token was being looked up
      return;
    }
    let first: Buffer | null = null;
    let chunks: Buffer[] | null = null;
    let bytes = 0;
    let isDone = false;
    const finish = (body: Result<Buffer> | null) => {
      if (isDone) return;
      isDone = true;
      this.bytesInFlight -= bytes;
      // The request keeps these functions as long as it lives, which for a stream is long after its body has been read.
      first = chunks = null;
      done(body);
    };
    request.on("data", (chunk: Buffer) => {
      if (isDone) return;
      bytes += chunk.length;
      this.bytesInFlight += chunk.length;
      if (bytes > this.bytesMax) {
        finish(this.tooLarge(`more than ${this.bytesMax}`));
      } else if (this.bytesInFlight > this.bytesInFlightMax) {
        finish(refuse<Refusal>({ code: "queue-full", detail: "Too many bodies are being read." }));
      } else if (first === null) first = chunk;
      else (chunks ??= [first]).push(chunk);
    });
    let isWhole = false;
    request.on("end", () => {
      isWhole = true;
      this.whole.add(() => finish(ok(chunks !== null ? Buffer.concat(chunks, bytes) : (first ?? empty))));
    });
    // After a whole body this means nothing; before, that the client went away. Node reports that as an error only to those who
    // listen for one.
    request.on("close", () => {
      if (!isWhole) finish(null);
    });
  }

  private tooLarge(size: string): Result<never> {
    return refuse<Refusal>({
      code: "body-too-large",
      detail: `It has ${size} bytes; at most ${this.bytesMax} are accepted.`,
    });
  }
}

const empty = Buffer.alloc(0);
