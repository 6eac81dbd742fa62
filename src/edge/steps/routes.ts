import type { StepRoute } from "./route.ts";
import { runRoutes } from "./run-routes.ts";
import { childRoutes } from "./child-routes.ts";
import { artefactRoutes } from "./artefact-routes.ts";
import { memoryRoutes } from "./memory-routes.ts";
import { stepRoutes } from "./step-routes.ts";
import { waitRoutes } from "./wait-routes.ts";

/** All that agents can do with their own runs over HTTP. */
export const ownRoutes: readonly StepRoute[] = [
  ...runRoutes,
  ...stepRoutes,
  ...waitRoutes,
  ...childRoutes,
  ...memoryRoutes,
  ...artefactRoutes,
];
