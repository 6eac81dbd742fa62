/** A child is started as the leader of its own process group, so that what it starts can be ended with it (POSIX kill(2)). */
export function signalGroup(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: nobody is left. EPERM: someone there changed its user; we can do no more.
  }
}

/** Zombies count as alive until someone reaps them. */
export function isGroupAlive(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}
