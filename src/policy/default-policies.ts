import type { PolicyFile } from "./source.ts";

/** For `dev`: everyone may use every tool; administration needs the role admin. */
export const devPolicies: PolicyFile = {
  path: "default-dev.cedar",
  text: `// The policies of "signalbox dev". Everyone who has a token may use everything that is offered.
@id("dev-use-everything")
@description("In development every agent may use every tool")
permit (
  principal,
  action in [Action::"call", Action::"read", Action::"get", Action::"complete", Action::"subscribe"],
  resource
);

@id("admin-may-administer")
@description("The role admin may do every administrative act")
permit (
  principal in Role::"admin",
  action in Action::"admin",
  resource
);
`,
};

/** For `serve`: nothing but administration is permitted until someone writes what is. */
export const servePolicies: PolicyFile = {
  path: "default-serve.cedar",
  text: `// The policies of "signalbox serve" before any are written. What no policy permits is denied.
@id("admin-may-administer")
@description("People with the role admin may do every administrative act")
permit (
  principal is Person in Role::"admin",
  action in Action::"admin",
  resource
);
`,
};
