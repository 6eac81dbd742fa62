import type { Refusal } from "../../contract/index.ts";
import { faultFrom, invariant, newId } from "../base/index.ts";
import type { Leave } from "../dispatch/index.ts";
import type { CallId, Outcome } from "../ledger/index.ts";
import type { Resource } from "../registry/index.ts";
import { cleanRefusal } from "./clean-refusal.ts";
import type { SubscribeInput, Subscribed } from "./call.ts";
import type { Known } from "./entries.ts";
import { entryId } from "./entries.ts";
import type { House } from "./house.ts";
import type { RefusalBound } from "./refusal-bound.ts";
import { storeRefusal } from "./store-refusal.ts";
import { asPolicySees, missingResource, serverMeant } from "./subject.ts";
import { writeEntry } from "./write-entry.ts";

/**
 * One subscription to one resource: who asks, which server's, may they, and one entry for it. Like a `read` it has no effect that could be
 * lost, so what is recorded is what came of it, before the caller hears of it. What it tells afterwards is only that something
 * changed; to see what, the caller reads, and is governed again.
 */
export async function subscribeTo(
  input: SubscribeInput,
  refusals: RefusalBound,
  house: House,
): Promise<Subscribed> {
  const who = await input.authenticate();
  if (!who.ok) return { kind: "refused", refusal: who.refusal };
  const principal = who.value;
  const call = {
    input: { ...input, method: "resources/subscribe", name: input.uri },
    id: newId("call", house.clock.wall(), house.random) as CallId,
    principal,
  } as unknown as Known; // as much of a call as an entry needs
  try {
    const found = refusalFor(call, input, house);
    const leave = found === null ? placeFor(call, house) : null;
    if (leave !== null) return await watchFrom(leave, call, input, house);
    const no = found ?? tooMany;
    if (refusals.admits(principal)) await record(call, { kind: "refused", code: no.code }, house);
    return { kind: "refused", refusal: no };
  } catch (thrown) {
    return { kind: "refused", refusal: storeRefusal(thrown) };
  }
}

/** Fills in what an entry says of the subject and the decision. null = go ahead. */
function refusalFor(call: Known, input: SubscribeInput, house: House): Refusal | null {
  if (house.isStopping()) return { code: "shutting-down", detail: "ask another node or try again" };
  const { principal } = call;
  const { tenant } = principal;
  const subject = house.registry.resourceAt(tenant, input.uri, serverMeant(input.meta), input.profile);
  if (subject === null) return missingResource(input.uri);
  const decision = house.policies
    .current(tenant)
    .decide({ principal, ...asPolicySees(subject, "resources/subscribe"), context: {} });
  Object.assign(call, { subject, decision });
  switch (decision.effect) {
    case "allow":
      return callableRefusal(subject, house);
    case "deny":
      return { code: "denied", detail: decision.why };
    case "approve":
      return { code: "approval-needed", detail: "a subscription cannot be approved" };
  }
}

function callableRefusal(subject: Resource, house: House): Refusal | null {
  const callable = house.registry.callable(subject);
  return callable.ok ? null : cleanRefusal(callable.refusal, subject.tenant, house);
}

/**
 * A server can tell of some thousand resources at once, over all callers: one may take a quarter of them. That is a fleet of a hundred
 * under one name, with two each.
 */
const watchedByOneMax = 250;

const tooMany: Refusal = {
  code: "too-many-calls",
  detail: `a caller may watch ${watchedByOneMax} resources of a server at once`,
};

/** null = its caller has taken all that are for one. */
function placeFor({ subject, principal }: Known, { gate }: House): Leave | null {
  const key = `watching at ${subject?.server.id ?? ""} of ${principal.id}`;
  return gate.tryEnter([{ key, max: watchedByOneMax }]);
}

async function watchFrom(
  leave: Leave,
  call: Known,
  input: SubscribeInput,
  house: House,
): Promise<Subscribed> {
  let watched: Subscribed | null = null;
  try {
    watched = await watch(call, input, house);
  } finally {
    if (watched?.kind !== "subscribed") leave();
  }
  if (watched.kind === "refused") return watched;
  const { cancel } = watched;
  return {
    kind: "subscribed",
    cancel: () => {
      leave();
      cancel();
    },
  };
}

async function watch(call: Known, input: SubscribeInput, house: House): Promise<Subscribed> {
  const { subject } = call;
  invariant(subject !== undefined, "what is allowed was found");
  let isRecorded = false;
  let cancel: () => void;
  try {
    const onUpdated = (uri: string): void => {
      if (isRecorded) input.onUpdated(uri);
    };
    cancel = await house.upstreams.watchResource(subject.server.id, subject.name, input.profile, onUpdated);
  } catch (thrown) {
    const { code, message } = faultFrom(thrown, `subscribing to ${subject.id}`);
    await record(call, { kind: "failed", code }, house);
    return {
      kind: "refused",
      refusal: cleanRefusal({ code, detail: message }, call.principal.tenant, house),
    };
  }
  try {
    await record(call, { kind: "succeeded", isError: false }, house);
  } catch (thrown) {
    cancel();
    throw thrown;
  }
  isRecorded = true;
  return { kind: "subscribed", cancel };
}

async function record(call: Known, outcome: Outcome, house: House): Promise<void> {
  const part = { kind: "outcome", id: entryId(call.id, 0), outcome, commitments: {}, after: null } as const;
  await writeEntry(house, call, part, { note: { uri: call.input.name } }, []);
}
