import type { Code } from "../../../contract/index.ts";
import type { Absent } from "../given-up.ts";
import type { Table } from "../table.ts";
import type { FlushMessage, Reply } from "./message.ts";

/** What the writer's thread is started with. */
export interface WriterData {
  readonly file: string;
  readonly tables: readonly Table[];
  readonly dataVersion: number;
  /** null = as large as the disk allows. */
  readonly bytesMax: number | null;
}

/** `toldMs`: the latest time that was told without asking. */
export type ToWriter = FlushMessage | { readonly kind: "stop"; readonly toldMs: number };

export type FromWriter =
  | Reply
  | { readonly kind: "ready"; readonly absent: Absent }
  | { readonly kind: "stopped" }
  | {
      readonly kind: "refused";
      readonly code: Code;
      readonly message: string;
      readonly evidence: Readonly<Record<string, unknown>>;
    };
