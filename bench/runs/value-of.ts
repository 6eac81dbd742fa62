import type { Result } from "../../src/base/index.ts";

/** A bench asks for nothing that may be refused. */
export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.refusal));
  return result.value;
}
