import type { Clock } from "../base/index.ts";
import type { Health } from "../registry/index.ts";
import type { Trouble } from "./trouble.ts";

/** The health of one line. Told when state or reason change; `since` is when the state began. */
export class HealthTold {
  current: Health;
  private readonly clock: Clock;
  private readonly onChange: (health: Health) => void;

  constructor(clock: Clock, onChange: (health: Health) => void) {
    this.clock = clock;
    this.onChange = onChange;
    this.current = { state: "connecting", since: clock.wall() };
  }

  tell(): void {
    this.onChange(this.current);
  }

  set(state: "healthy", trouble: null): void;
  set(state: "degraded" | "down", trouble: Trouble): void;
  set(state: "healthy" | "degraded" | "down", trouble: Trouble | null): void {
    const before = this.current;
    const reasonBefore = "reason" in before ? before.reason : "";
    if (before.state === state && reasonBefore === (trouble?.message ?? "")) return;
    const since = before.state === state ? before.since : this.clock.wall();
    this.current =
      state === "healthy" || trouble === null
        ? { state: "healthy", since }
        : { state, since, cause: trouble.healthCause, reason: trouble.message };
    this.tell();
  }
}
