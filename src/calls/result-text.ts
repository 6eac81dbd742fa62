import type { Code, ReceiptReference } from "../../contract/index.ts";
import { codes, metaKeys } from "../../contract/index.ts";
import { invariant, memberSpan } from "../base/index.ts";

/**
 * Adds the receipt to a result's `_meta` and leaves every other byte as it is, so that taking the receipt out again gives the
 * bytes that were committed to.
 */
export function withReceipt(resultText: string, receipt: ReceiptReference): string {
  const member = `"${metaKeys.receipt}":{"entry":"${receipt.entry}","leaf":"${receipt.leaf}"}`;
  const meta = resultText.includes('"_meta"') ? memberSpan(resultText, "_meta") : null;
  if (meta !== null && resultText.charAt(meta[0]) === "{") {
    return (
      resultText.slice(0, meta[0]) + intoObject(resultText.slice(...meta), member) + resultText.slice(meta[1])
    );
  }
  // A `_meta` that is not an object cannot stand (plan and screen let none through), so this adds the only one.
  return intoObject(resultText, `"_meta":{${member}}`);
}

function intoObject(objectText: string, member: string): string {
  const end = objectText.lastIndexOf("}");
  invariant(end > 0, "the text of a result is an object");
  const isEmpty = objectText.slice(objectText.indexOf("{") + 1, end).trim() === "";
  return `${objectText.slice(0, end)}${isEmpty ? "" : ","}${member}${objectText.slice(end)}`;
}

/**
 * Without `_meta` keys of ours that the server sent: only we give receipts, and a refusal of ours means that nothing was done,
 * which a server must not be able to make a caller believe. A result without such keys stays as it is, byte for byte.
 */
export function withoutOurKeys(resultText: string, value: Readonly<Record<string, unknown>>): string {
  const meta = value["_meta"];
  if (typeof meta !== "object" || meta === null || !Object.keys(meta).some(isOurs)) return resultText;
  const kept = Object.fromEntries(Object.entries(meta).filter(([key]) => !isOurs(key)));
  const span = memberSpan(resultText, "_meta");
  // Two members of that name: which one counts depends on the reader, so it is written anew.
  if (span === null) return JSON.stringify({ ...value, _meta: kept });
  return resultText.slice(0, span[0]) + JSON.stringify(kept) + resultText.slice(span[1]);
}

/** The same for something that is written anew anyway. */
export function withoutOurMeta<T extends Readonly<Record<string, unknown>>>(value: T): T {
  const meta = value["_meta"];
  if (typeof meta !== "object" || meta === null || !Object.keys(meta).some(isOurs)) return value;
  return { ...value, _meta: Object.fromEntries(Object.entries(meta).filter(([key]) => !isOurs(key))) };
}

const isOurs = (key: string): boolean => key.startsWith("dev.signalbox/");

/** What the caller sees instead of a result that is withheld: a tool result that says so, in the words of the code. */
export function withheldText(code: Code, detail: string): string {
  const row = codes[code];
  return JSON.stringify({
    content: [{ type: "text", text: `${row.text} ${detail}` }],
    isError: true,
    _meta: { [metaKeys.refusal]: { code, cause: row.cause, retry: row.retry, effect: row.effect, detail } },
  });
}
