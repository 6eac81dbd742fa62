import type { Dispatcher } from "undici";
import { describe, expect, it } from "vitest";
import { deadlineIn, ManualClock } from "../base/index.ts";
import { HttpSending } from "./sending.ts";

describe("the sink of a request", () => {
  it("is asked while it waits for its answer, but not before the first byte left", () => {
    const clock = new ManualClock();
    let waits = 0;
    const sending = new HttpSending(
      {
        method: "POST",
        path: "/",
        headers: [],
        body: "x",
        deadline: deadlineIn(clock, 1_000),
        signal: null,
        responseBytesMax: 1,
      },
      {
        mayStart: () => true,
        onHeaders: () => undefined,
        onData: () => undefined,
        onWaiting: () => void waits++,
        onEnd: () => undefined,
        onFailure: () => undefined,
      },
      { onOver: () => undefined, onEnd: () => undefined },
    );
    sending.onSweep(clock.monotonic());
    expect(waits).toBe(0);
    // undici's controller is not looked at before something goes wrong.
    const controller = {} as Dispatcher.DispatchController;
    sending.onRequestStart(controller);
    sending.onSweep(clock.monotonic());
    sending.onSweep(clock.monotonic());
    expect(waits).toBe(2);
  });
});
