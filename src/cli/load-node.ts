import { beginStarting } from "../app/command-line.ts";

/** The whole house, for a process that starts a node; `launch` ends the starting. */
export function loadNode() {
  beginStarting();
  return import("../app/index.ts");
}
