import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";

/**
 * Ends child groups when we are killed so hard that we cannot do it ourselves. A small shell process reads group ids from us
 * ("+ 123" begins, "- 123" ended); when its input closes, which the kernel does however we die, it ends what is left. The text
 * is fixed and takes nothing but numbers of ours. Without /bin/sh (Windows) there is no guardian; then only the closing of a
 * child's input tells it to end, and one that ignores this stays.
 */
const script = `
trap '' HUP INT TERM
groups=" "
while read -r sign group; do
  case "$sign" in
    +) groups="$groups$group " ;;
    -) case "$groups" in *" $group "*) groups="\${groups%%" $group "*} \${groups#*" $group "}" ;; esac ;;
  esac
done
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
[ "$groups" = " " ] || sleep 1
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
`;

export class Guardian {
  private shell: ChildProcess | null = null;
  private isAbsent = false;

  /** null = not running. */
  get pid(): number | null {
    return this.shell?.pid ?? null;
  }

  watch(group: number): void {
    this.tell(`+ ${group}\n`);
  }

  release(group: number): void {
    if (this.shell !== null) this.tell(`- ${group}\n`);
  }

  /** Call when no group is left. */
  stop(): Promise<void> {
    const shell = this.shell;
    this.shell = null;
    if (shell === null) return Promise.resolve();
    return new Promise((resolve) => {
      if (shell.exitCode !== null || shell.signalCode !== null) return resolve();
      shell.once("exit", () => resolve());
      shell.stdin?.end();
    });
  }

  private tell(line: string): void {
    if (this.isAbsent) return;
    this.shell ??= this.launch();
    this.shell.stdin?.write(line);
  }

  private launch(): ChildProcess {
    const shell = spawn("/bin/sh", ["-c", script], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
    });
    shell.unref();
    // A socketpair on POSIX, so it can be unreferenced; the guardian alone must not keep us alive.
    (shell.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    shell.stdin?.on("error", () => undefined);
    shell.once("error", () => {
      this.isAbsent = true;
      this.shell = null;
    });
    return shell;
  }
}
