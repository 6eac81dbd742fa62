import type { HttpSink } from "./index.ts";

/** For tests: lets everything happen, and hears of what `over` says. */
export const sink = (over: Partial<HttpSink>): HttpSink => ({
  mayStart: () => true,
  onHeaders: () => undefined,
  onData: () => undefined,
  onEnd: () => undefined,
  onFailure: () => undefined,
  ...over,
});
