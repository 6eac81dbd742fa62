import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { CedarProblem, PolicyJson } from "./cedar.ts";
import { preparse } from "./cedar.ts";
import { engine } from "./engine.ts";

/**
 * The wasm module keeps preparsed sets in one table for the whole thread and cannot drop one, only replace it. So names are
 * slots that are used again: a set that is asked for gets the least recently used slot, and memory does not grow with reloads.
 */
export interface Ticket {
  readonly slot: number;
  readonly serial: number;
}

/** Sets held at once: 20 KB each for a dozen policies, so 10 MB. */
const slotsMax = 512;
/** Policies in all slots together: a few tools under thousands of policies must not fill the memory either (about 1.7 KB each). */
const policiesMax = 20_000;

class PreparsedSets {
  /** Slot to what it holds, least recently used first. */
  readonly #held = new Map<number, { readonly serial: number; readonly policies: number }>();
  readonly #free: number[] = [];
  #policies = 0;
  #serial = 0;
  #slots = 0;
  #generation = engine.generation;

  /** The name to ask under, or null when the slot has been given to another set since. */
  nameOf(ticket: Ticket): string | null {
    this.#forgetLost();
    const held = this.#held.get(ticket.slot);
    if (held?.serial !== ticket.serial) return null;
    this.#held.delete(ticket.slot);
    this.#held.set(ticket.slot, held);
    return slotName(ticket.slot);
  }

  put(policies: Readonly<Record<string, PolicyJson>>): Result<Ticket, readonly CedarProblem[]> {
    this.#forgetLost();
    const count = Object.keys(policies).length;
    while (this.#held.size > 0 && (this.#held.size >= slotsMax || this.#policies + count > policiesMax))
      this.#evict();
    const slot = this.#free.pop() ?? this.#slots++;
    const parsed = preparse(slotName(slot), policies);
    if (!parsed.ok) {
      this.#free.push(slot);
      return refuse(parsed.refusal);
    }
    const serial = ++this.#serial;
    this.#held.set(slot, { serial, policies: count });
    this.#policies += count;
    return ok({ slot, serial });
  }

  get counts(): { readonly sets: number; readonly policies: number; readonly slots: number } {
    return { sets: this.#held.size, policies: this.#policies, slots: this.#slots };
  }

  /** A new instance of the module holds nothing. */
  #forgetLost(): void {
    if (this.#generation === engine.generation) return;
    this.#generation = engine.generation;
    this.#held.clear();
    this.#free.length = 0;
    this.#policies = 0;
    this.#slots = 0;
  }

  #evict(): void {
    const [slot, held] = this.#held.entries().next().value ?? [];
    if (slot === undefined || held === undefined) return;
    this.#held.delete(slot);
    this.#policies -= held.policies;
    preparse(slotName(slot), {}); // releases the policies; the empty set stays until the slot is used again
    this.#free.push(slot);
  }
}

const slotName = (slot: number): string => `signalbox-${slot}`;

/** One for the thread, because the module's table is. */
export const preparsedSets = new PreparsedSets();
