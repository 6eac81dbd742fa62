import { schemaAt } from "../../src/app/config-schema.ts";
import { parse, stringify } from "yaml";

/** A configuration of many nodes, without the database where this version knows none: everything else in it is checked all the same. */
export function loadable(text: string): string {
  if (schemaAt(["data", "postgres"]) !== null) return text;
  const config = parse(text) as { data: { postgres?: unknown } };
  delete config.data.postgres;
  return stringify(config);
}
