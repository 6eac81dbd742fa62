import { Fault, sha256Hex } from "../../base/index.ts";
import type { UpstreamReply } from "../exchange.ts";
import { garbageFault } from "../reply.ts";

/** One list of a server, all pages. */
export interface Pages {
  readonly items: readonly unknown[];
  /** Of the exact text of all pages, to see whether anything changed; "" = the server does not know the method. */
  readonly digest: string;
  /** The least of all pages; null = none gave one. */
  readonly ttlMs: number | null;
}

export interface PagesWanted {
  readonly serverName: string;
  readonly method: string;
  /** The member of the result that holds the list. */
  readonly member: string;
  readonly pagesMax: number;
  readonly itemsMax: number;
  /** Characters of all pages together. */
  readonly charsMax: number;
  /** What lies beyond `itemsMax` or `charsMax`: a Fault, or left out. */
  readonly beyondMax: "fault" | "left-out";
  /** Whether "method not found" means that the list is empty; else it is a Fault. */
  readonly mayLack: boolean;
}

const cursorCharsMax = 4_096;
const methodNotFound = -32601;

/** All pages of one list method, or a Fault. `ask` sends one request with these params. */
export async function readPages(
  ask: (paramsText: string | null) => Promise<UpstreamReply>,
  wanted: PagesWanted,
): Promise<Pages> {
  const { serverName, method, pagesMax, itemsMax, charsMax } = wanted;
  const items: unknown[] = [];
  const cursors = new Set<string>();
  let digest = "";
  let chars = 0;
  let ttlMs: number | null = null;
  let params: string | null = null;
  for (let page = 0; page < pagesMax; page++) {
    const reply = await ask(params);
    if (reply.kind !== "result") {
      if (page === 0 && wanted.mayLack && isMethodNotFound(reply)) return { items, digest, ttlMs };
      throw refusedList(reply, serverName, method);
    }
    const found = reply.value[wanted.member];
    if (!Array.isArray(found)) throw garbageFault(serverName, `${method} has no ${wanted.member}`);
    chars += reply.raw.length;
    const isTooLong = chars > charsMax;
    if (isTooLong && wanted.beyondMax === "fault")
      throw garbageFault(serverName, `${method} has more than ${charsMax} characters`);
    if (isTooLong) return { items, digest, ttlMs };
    for (const item of found) items.push(item);
    const isTooMany = items.length > itemsMax;
    if (isTooMany && wanted.beyondMax === "fault") {
      throw garbageFault(serverName, `${method} names more than ${itemsMax} ${wanted.member}`);
    }
    digest = sha256Hex(digest + reply.raw);
    ttlMs = lesser(ttlMs, reply.value["ttlMs"]);
    if (isTooMany) return { items: items.slice(0, itemsMax), digest, ttlMs };
    const cursor = reply.value["nextCursor"];
    if (typeof cursor !== "string") return { items, digest, ttlMs };
    if (cursors.has(cursor) || cursor.length > cursorCharsMax) {
      throw garbageFault(serverName, `${method} repeats a cursor or gives one too long`);
    }
    cursors.add(cursor);
    params = JSON.stringify({ cursor });
  }
  throw garbageFault(serverName, `${method} has more than ${pagesMax} pages`);
}

const isMethodNotFound = (reply: UpstreamReply): boolean =>
  (reply.kind === "rejected" || reply.kind === "error") && reply.error.code === methodNotFound;

function refusedList(reply: UpstreamReply, serverName: string, method: string): Fault {
  switch (reply.kind) {
    case "rejected":
    case "error":
      return new Fault(
        "upstream-rejected",
        `${serverName} answered ${method} with error ${reply.error.code}`,
        {
          evidence: { rpc: reply.error.code },
        },
      );
    case "result":
    case "input-required":
    case "task":
      return garbageFault(serverName, `${method} is answered with something that is no list`);
  }
}

/** What is no length of time counts as not given. */
export function lesser(a: number | null, b: unknown): number | null {
  if (typeof b !== "number" || !Number.isFinite(b) || b < 0) return a;
  return a === null ? b : Math.min(a, b);
}
