import type { Principal } from "../identity/index.ts";

/** Principals told apart at once; beyond it numbering goes on and old cache entries age out. */
const principalsMax = 50_000;

/**
 * A short number for everything about a principal that policy can see: id, name, kind, roles and versions, along the chain.
 * Equal principals have equal numbers; a number is never given to another.
 */
export class PrincipalKeys {
  #byObject = new WeakMap<Principal, number>();
  #byText = new Map<string, number>();
  #last = 0;

  keyOf(principal: Principal): number {
    const known = this.#byObject.get(principal);
    if (known !== undefined) return known;
    const { tenant, version, chain } = principal;
    const path = [principal, ...chain].map(({ id, kind, name, roles }) => [id, kind, name, roles]);
    const text = JSON.stringify([tenant, version, path]);
    let key = this.#byText.get(text);
    if (key === undefined) {
      if (this.#byText.size >= principalsMax) this.#byText = new Map();
      this.#byText.set(text, (key = ++this.#last));
    }
    this.#byObject.set(principal, key);
    return key;
  }
}
