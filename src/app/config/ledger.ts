import { invariant } from "../../base/index.ts";
import { parseWitnessKey } from "../../ledger/index.ts";
import type { Witness } from "../../ledger/index.ts";

export interface WitnessSettings {
  readonly name: string;
  readonly url: string;
  readonly key: string;
}

export interface LedgerSettings {
  readonly witnesses: readonly WitnessSettings[];
  readonly witnessQuorum: number;
}

/** What no schema can say. */
export function ledgerProblems({
  witnesses,
  witnessQuorum,
}: LedgerSettings): readonly { readonly pointer: string; readonly message: string }[] {
  const problems: { pointer: string; message: string }[] = [];
  const names = new Set<string>();
  const keys = new Set<string>();
  for (const [at, { name, url, key }] of witnesses.entries()) {
    const say = (part: string, message: string): void => {
      problems.push({ pointer: `/ledger/witnesses/${at}/${part}`, message });
    };
    if (names.has(name)) say("name", "another witness has this name");
    names.add(name);
    const parsed = URL.canParse(url) ? new URL(url) : null;
    if (parsed === null || !/^https?:$/.test(parsed.protocol)) say("url", "is not an http or https URL");
    else if (parsed.username !== "" || parsed.password !== "")
      say("url", "has a user or password in it; an address is logged");
    else if (parsed.search !== "" || parsed.hash !== "")
      say("url", "has a query or fragment; it is a prefix");
    const witness = parseWitnessKey(key);
    if (witness === null) say("key", "is not a verifier key of type 0x04: <name>+<key id>+<base64>");
    else if (keys.has(witness.name)) say("key", "another witness has a key of this name");
    else keys.add(witness.name);
  }
  if (witnesses.length > 0 && witnessQuorum > witnesses.length) {
    const message = `is more than the ${witnesses.length} witnesses there are`;
    problems.push({ pointer: "/ledger/witnessQuorum", message });
  }
  return problems;
}

export function witnessKeyOf({ name, key }: WitnessSettings): Witness["key"] {
  const parsed = parseWitnessKey(key);
  invariant(parsed !== null, `the key of witness ${name} was checked`);
  return parsed;
}
