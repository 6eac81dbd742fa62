import type { Clock } from "../../base/index.ts";
import { deadlineIn } from "../../base/index.ts";
import type { Endpoint } from "./endpoint.ts";

const timeoutMs = 5_000;
const answerBytesMax = 64 * 1024;
/** At once. A server that asks faster than it takes our answers loses the rest of them. */
const openMax = 64;

/** What is posted to a legacy server beside calls: withdrawals, answers to its questions. What comes of it is of no interest. */
export class SidePosts {
  private readonly clock: Clock;
  private readonly endpoint: Endpoint;
  private readonly onDropped: () => void;
  private open = 0;

  constructor(clock: Clock, endpoint: Endpoint, onDropped: () => void) {
    this.clock = clock;
    this.endpoint = endpoint;
    this.onDropped = onDropped;
  }

  /** `headers`: beside the endpoint's own. */
  post(path: string, headers: readonly string[], text: string): void {
    if (this.open >= openMax) {
      this.onDropped();
      return;
    }
    this.open++;
    this.endpoint.pool
      .request({
        method: "POST",
        path,
        headers: [...this.endpoint.headers, ...headers],
        body: text,
        deadline: deadlineIn(this.clock, timeoutMs),
        signal: null,
        responseBytesMax: answerBytesMax,
      })
      .catch(() => undefined)
      .finally(() => {
        this.open--;
      });
  }
}
