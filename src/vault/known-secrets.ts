/**
 * The values a tenant's secrets had when this process revealed them, for `screening` to look for in results. A value stays here
 * after it was replaced or removed: a server started with it may still say it. Oldest out first.
 */
export class KnownSecrets {
  private readonly max: number;
  // Hidden from whatever prints the vault.
  readonly #byTenant = new Map<string, { values: Set<string>; list: readonly string[] }>();

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

  /** The same array until a value is added, so that what is prepared from it can be kept beside it. */
  of(tenant: string): readonly string[] {
    return this.#byTenant.get(tenant)?.list ?? none;
  }

  clear(): void {
    this.#byTenant.clear();
  }
}

const none: readonly string[] = Object.freeze([]);
