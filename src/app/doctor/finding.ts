/**
 *  ok       as it should be
 *  warning  works, but not as you would want it
 *  failed   will not work
 *  skipped  could not be looked at
 */
export interface Finding {
  /** Stable, for scripts. */
  readonly id: string;
  readonly state: "ok" | "warning" | "failed" | "skipped";
  readonly what: string;
  /** null = nothing to do. */
  readonly fix: string | null;
}

export const fine = (id: string, what: string): Finding => ({ id, state: "ok", what, fix: null });
export const odd = (id: string, what: string, fix: string | null): Finding => ({
  id,
  state: "warning",
  what,
  fix,
});
export const failed = (id: string, what: string, fix: string): Finding => ({
  id,
  state: "failed",
  what,
  fix,
});
export const notChecked = (id: string, what: string): Finding => ({ id, state: "skipped", what, fix: null });

/** The system's word for it: ENOENT, EACCES … */
export const systemCode = (thrown: unknown): string =>
  thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
