import type { Clock, Random } from "../base/index.ts";
import { newId } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Change } from "../store/index.ts";
import { append } from "../store/index.ts";
import type { ServerId } from "./records.ts";
import { changeTable } from "./tables.ts";

export const changeLog = "registry";

/** What other nodes have to read again: a server with its tools, which policies or limits are in force, or what a file was last applied as. */
export type Changed =
  | { readonly kind: "server"; readonly server: ServerId }
  | { readonly kind: "policies"; readonly tenant: TenantId }
  | { readonly kind: "limits"; readonly tenant: TenantId }
  | { readonly kind: "file"; readonly tenant: TenantId };

interface Ground {
  readonly clock: Clock;
  readonly random: Random;
}

/** The change, with a word of it to the other nodes in the same transaction. One that writes nothing has nothing to tell. */
export function told<T>(change: Change<T>, changed: Changed, { clock, random }: Ground): Change<T> {
  if (change.writes.length === 0) return change;
  const id = newId("rgc", clock.wall(), random);
  const word = append(changeTable, { id, log: changeLog, subject: subjectOf(changed) });
  return { ...change, writes: [...change.writes, word] };
}

function subjectOf(changed: Changed): string {
  switch (changed.kind) {
    case "server":
      return `server ${changed.server}`;
    case "policies":
    case "limits":
    case "file":
      return `${changed.kind} ${changed.tenant}`;
  }
}

/** null = something that newer code tells of, and this code has no part in. */
export function changedOf(subject: string): Changed | null {
  const space = subject.indexOf(" ");
  const kind = subject.slice(0, space);
  const id = subject.slice(space + 1);
  switch (kind) {
    case "server":
      return { kind, server: id as ServerId };
    case "policies":
    case "limits":
    case "file":
      return { kind, tenant: id as TenantId };
    default:
      return null;
  }
}
