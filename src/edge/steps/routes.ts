import type { StepRoute } from "./route.ts";
import { runRoutes } from "./run-routes.ts";
import { stepRoutes } from "./step-routes.ts";

/** All that agents can do with their own runs over HTTP. */
export const ownRoutes: readonly StepRoute[] = [...runRoutes, ...stepRoutes];
