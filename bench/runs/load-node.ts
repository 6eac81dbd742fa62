import { beginStarting } from "../../src/app/command-line.ts";

/** The whole house, loaded as the command line loads it. What else a program can be, a ruler above all, does not carry it. */
export function loadNode() {
  beginStarting();
  return import("./node.ts");
}
