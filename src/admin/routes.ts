import { anything, openApi } from "../api/index.ts";
import { ownRoutes } from "../edge/index.ts";
import type { AdminAction, PublicRoute, Route } from "./route.ts";
import { approvalRoutes } from "./routes/approvals.ts";
import { auditRoutes } from "./routes/audit.ts";
import { backupRoutes } from "./routes/backup.ts";
import { callRoutes } from "./routes/calls.ts";
import { limitRoutes } from "./routes/limits.ts";
import { offeredRoutes } from "./routes/offered.ts";
import { policyRoutes } from "./routes/policies.ts";
import { principalRoutes } from "./routes/principals.ts";
import { runRetryRoutes } from "./routes/run-retry.ts";
import { reviewRoutes } from "./routes/reviews.ts";
import { runRoutes } from "./routes/runs.ts";
import { serverAuthorizationRoutes } from "./routes/server-authorization.ts";
import { serverRoutes } from "./routes/servers.ts";
import { statusRoutes } from "./routes/status.ts";
import { tenantRoutes } from "./routes/tenants.ts";
import { toolRoutes } from "./routes/tools.ts";
import { vaultRoutes } from "./routes/vault.ts";

const gated = [
  ...statusRoutes,
  ...serverRoutes,
  ...serverAuthorizationRoutes,
  ...toolRoutes,
  ...offeredRoutes,
  ...principalRoutes,
  ...tenantRoutes,
  ...policyRoutes,
  ...limitRoutes,
  ...callRoutes,
  ...approvalRoutes,
  ...runRoutes,
  ...runRetryRoutes,
  ...reviewRoutes,
  ...auditRoutes,
  ...vaultRoutes,
  ...backupRoutes,
];

const description: PublicRoute = {
  method: "GET",
  path: "/openapi.json",
  summary: "This description",
  notes: null,
  action: "public",
  kind: "read",
  params: {},
  query: {},
  body: null,
  example: null,
  answer: { status: 200, type: "application/json", schema: anything },
  show: () => apiDescription,
};

/** All that the API is; nothing is served that does not stand here. */
export const routes: readonly Route[] = [...gated, description];

/** Every administrative action policy is asked about, sorted. */
export const adminActions: readonly AdminAction[] = [
  ...new Set(gated.map(({ action }) => action)),
].toSorted();

/** OpenAPI 3.1, made from the tables: ours, and that of agents for their own runs. */
export const apiDescription = openApi([...routes, ...ownRoutes]);
