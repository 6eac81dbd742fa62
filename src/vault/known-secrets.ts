/**
 * The values a tenant's secrets had when this process revealed them, for `screening` to look for in results. A value stays here
 * after it was replaced or removed: a server started with it may still say it. Oldest out first.
 */
export class KnownSecrets {
  private readonly max: number;
  // Hidden from whatever prints the vault.
  readonly #byTenant = new Map<string, { values: Set<string>; list: readonly string[] }>();

  readonly #renewed = new Map<
    string,
    { readonly now: readonly string[]; readonly before: readonly string[] }
  >();

  constructor(max: number) {
    this.max = max;
  }

  add(tenant: string, value: string): void {
    let known = this.#byTenant.get(tenant);
    if (known === undefined) {
      known = { values: new Set(), list: [] };
      this.#byTenant.set(tenant, known);
    }
    if (known.values.has(value)) return;
    known.values.add(value);
    if (known.values.size > this.max) {
      for (const oldest of known.values) {
        known.values.delete(oldest);
        break;
      }
    }
    known.list = Object.freeze([...known.values]);
  }

  /**
   * Values that come and go, by the name they stand under: those of the time before stay known, older ones are forgotten. Else
   * tokens renewed every hour would push out what is never renewed.
   */
  replace(tenant: string, name: string, values: readonly string[]): void {
    const place = `${tenant}/${name}`;
    const { now = [], before = [] } = this.#renewed.get(place) ?? {};
    if (now.length === values.length && now.every((value, i) => value === values[i])) return;
    this.#renewed.delete(place);
    this.#renewed.set(place, { now: values, before: now });
    for (const place of this.#renewed.keys()) {
      if (this.#renewed.size <= this.max) break;
      this.#renewed.delete(place);
    }
    const known = this.#byTenant.get(tenant);
    for (const old of before) if (!now.includes(old) && !values.includes(old)) known?.values.delete(old);
    for (const value of values) this.add(tenant, value);
  }

  /** The same array until a value is added, so that what is prepared from it can be kept beside it. */
  of(tenant: string): readonly string[] {
    return this.#byTenant.get(tenant)?.list ?? none;
  }

  clear(): void {
    this.#byTenant.clear();
    this.#renewed.clear();
  }
}

const none: readonly string[] = Object.freeze([]);
