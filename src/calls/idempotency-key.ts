import { sha256Hex } from "../base/index.ts";
import type { Subject } from "../registry/index.ts";
import type { Authenticated, NamedRun, Repeat } from "./stages.ts";

type Arguments = Readonly<Record<string, unknown>>;

/**
 * The arguments with the key that makes an `idempotent` tool carry the call out once, however often it is sent. Who names a step or a
 * key gets the same one at each return; another call has its own. A key that the caller chose stays.
 */
export function withIdempotencyKey(
  subject: Subject,
  call: Authenticated,
  { run, repeat }: { readonly run: NamedRun | null; readonly repeat: Repeat | null },
): Arguments {
  const given = call.input.arguments;
  if (subject.kind !== "tool" || subject.class.kind !== "idempotent") return given;
  const { keyArgument } = subject.class;
  if (given[keyArgument] !== undefined) return given;
  // The servers of two tenants, or of two tools, must never meet the same key.
  const named = repeat === null ? call.id : `${run?.record.run ?? ""}\n${repeat.place.name}`;
  const basis = [call.principal.tenant, call.principal.id, subject.id, named].join("\n");
  return { ...given, [keyArgument]: `sb-${sha256Hex(basis).slice(0, 32)}` };
}
