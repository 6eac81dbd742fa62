import type { Target } from "./http.ts";

/** Where the node is. `lost` is told which one did not answer, and finds the one to go on with. */
export interface Link {
  target(): Promise<Target>;
  lost(target: Target): Promise<Target>;
}
