import { elapsedMs } from "../base/index.ts";
import { isWithoutDoubt } from "./doubt.ts";
import type { House } from "./house.ts";
import type { Admitted } from "./stages.ts";

/**
 * The last look before a byte leaves: the caller is still there, the deadline and the intent's own bound still hold, and so does what is on
 * record.
 */
export const mayDispatch = (call: Admitted, dispatchBy: { holds(): boolean }, house: House) => (): boolean =>
  !call.input.signal.aborted && dispatchBy.holds() && isInTime(call, house) && isWithoutDoubt(call, house);

export const isInTime = (call: Admitted, house: House): boolean =>
  elapsedMs(call.deadline.at, house.clock.monotonic()) > 0;
