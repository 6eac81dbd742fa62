import type { AnswerHandler } from "../answer-handler.ts";
import type { StreamRequest } from "../http-request.ts";
import type { PlainText } from "./request.ts";

/** A request that is sent as one text, and whoever hears of its answer. */
export interface Errand {
  readonly request: StreamRequest;
  readonly plain: PlainText;
  readonly handler: AnswerHandler;
}
