import type { ConfigTrouble } from "../app/index.ts";
import { Stop } from "./exit.ts";

/** All that is wrong with a configuration, at once. */
export function configStop({ file, problems }: ConfigTrouble): Stop {
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  return new Stop("config-invalid", `The configuration has ${count}: ${file}`, {
    problems,
    hint: "docs/reference/configuration.md lists every setting.",
  });
}
