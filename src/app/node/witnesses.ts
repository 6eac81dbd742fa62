import type { Clock } from "../../base/index.ts";
import { deadlineIn } from "../../base/index.ts";
import type { Witness } from "../../ledger/index.ts";
import type { HttpPool, Net } from "../../net/index.ts";
import type { WitnessSettings } from "../config/ledger.ts";
import { witnessKeyOf } from "../config/ledger.ts";

/** It checks a signature and a proof and writes one record. */
const answerMs = 10_000;
/** Sixteen signature lines, with room for post-quantum ones. */
const answerBytesMax = 128 * 1024;
const connectionsMax = 2;

/** A connection to each witness that the configuration names. The operator's file may lead to private addresses, as it may for servers. */
export function openWitnesses(
  settings: readonly WitnessSettings[],
  { net, clock }: { readonly net: Net; readonly clock: Clock },
): { readonly witnesses: readonly Witness[]; readonly close: () => Promise<void> } {
  const pools: HttpPool[] = [];
  const witnesses = settings.map((witness) => {
    const url = new URL(witness.url);
    const pool = net.openPool({ url, allow: ["loopback", "private"], connectionsMax });
    pools.push(pool);
    const path = `${url.pathname.replace(/\/$/, "")}/add-checkpoint`;
    return {
      name: witness.name,
      key: witnessKeyOf(witness),
      post: async (body: string, signal: AbortSignal) => {
        const answer = await pool.request({
          method: "POST",
          path,
          headers: ["content-type", "text/plain; charset=utf-8", "user-agent", "signalbox"],
          body,
          deadline: deadlineIn(clock, answerMs),
          signal,
          responseBytesMax: answerBytesMax,
        });
        const type = answer.headers["content-type"];
        return {
          status: answer.status,
          contentType: typeof type === "string" ? type : "",
          body: answer.body.toString("utf8"),
        };
      },
    };
  });
  return {
    witnesses,
    close: async () => {
      await Promise.allSettled(pools.map((pool) => pool.close()));
    },
  };
}
