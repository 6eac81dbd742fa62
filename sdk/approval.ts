import type { ReceiptReference } from "../contract/index.ts";
import { askToolName } from "../contract/index.ts";
import type { ErrorCode } from "./errors.ts";
import { Refused, errorFor } from "./errors.ts";
import type { ToolResult } from "./tool.ts";

/** What people are asked, as it is shown to them. */
export interface ApprovalAsk {
  /** What they are to say yes or no to, in one or two sentences: up to 1,000 characters. */
  readonly question: string;
  /** What they should know before they decide: up to 16,000 characters. */
  readonly details?: string;
  /** The plan, draft or values that a yes is to: anything JSON carries, up to 64 KiB with the rest. */
  readonly data?: unknown;
}

/** People have said yes. */
export interface Approval {
  readonly approved: true;
  /** Earlier approvals that stand for values in it, where a rule endorses them for the run; empty = people were shown exactly this. */
  readonly endorsed: readonly string[];
  /** Ids of those who did, in the order of their votes. */
  readonly by: readonly string[];
  /** Where it stands in the ledger: `signalbox audit prove <entry>`. */
  readonly receipt: ReceiptReference | null;
}

/** The call that asks, as it is compared with what is on record. */
export const askCall = ({ question, details, data }: ApprovalAsk) => ({
  name: askToolName,
  arguments: {
    question,
    ...(details === undefined ? {} : { details }),
    ...(data === undefined ? {} : { data }),
  },
});

/** The yes in the tool's answer. Whatever else it says is none. */
export function yesIn(result: ToolResult, step: string): Approval {
  const said = result.structuredContent as
    | { readonly approved?: unknown; readonly by?: unknown; readonly endorsed?: unknown }
    | undefined;
  if (!result.isError && said?.approved === true && Array.isArray(said.by) && Array.isArray(said.endorsed)) {
    const { by, endorsed } = said;
    return { approved: true, endorsed: endorsed.map(String), by: by.map(String), receipt: result.receipt };
  }
  const message = `${askToolName} gave no yes: ${result.text.slice(0, 200)}`;
  throw errorFor({
    code: "result-invalid",
    message,
    retry: "never",
    effect: "none",
    step,
    receipt: result.receipt,
  });
}

/** A no of people, or their silence, as it is kept on record. */
export interface RecordedNo {
  readonly code: ErrorCode;
  readonly message: string;
  readonly receipt: ReceiptReference | null;
}

/**
 * What people have answered. That policy lets nobody be asked is no answer of theirs: once it does, the step asks them.
 */
export const noIn = (thrown: unknown, step: string): RecordedNo | null =>
  thrown instanceof Refused && (thrown.code === "approval-denied" || thrown.code === "approval-expired")
    ? { code: thrown.code, message: withoutStep(thrown.message, step), receipt: thrown.receipt }
    : null;

export const refusalFrom = (no: RecordedNo, step: string) =>
  errorFor({ ...no, retry: "never", effect: "none", step });

/** Errors name their step by themselves. */
const withoutStep = (message: string, step: string): string => message.replace(`step "${step}": `, "");
