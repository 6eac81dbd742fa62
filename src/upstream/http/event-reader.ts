import { TextDecoder } from "node:util";
import { createParser } from "eventsource-parser";
import type { EventSourceMessage } from "eventsource-parser";

/** Reads an event stream from its bytes. */
export class EventReader {
  private readonly decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  private readonly parser: ReturnType<typeof createParser>;

  /** `charsMax`: of one event; `onTooLong` is told of one beyond it. */
  constructor(options: {
    readonly charsMax: number;
    readonly onEvent: (event: EventSourceMessage) => void;
    readonly onRetry: (ms: number) => void;
    readonly onTooLong: () => void;
  }) {
    this.parser = createParser({
      onEvent: options.onEvent,
      onRetry: options.onRetry,
      maxBufferSize: options.charsMax,
      onError: (error) => {
        if (error.type === "max-buffer-size-exceeded") options.onTooLong();
      },
    });
  }

  /** False = the bytes are no UTF-8; nothing that follows can be read. */
  feed(chunk: Buffer): boolean {
    let text: string;
    try {
      text = this.decoder.decode(chunk, { stream: true });
    } catch {
      return false;
    }
    this.parser.feed(text);
    return true;
  }
}
