import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { kill } from "node:process";

/**
 * The words that run a program which the kernel kills when this process ends, however it ends: no server outlives
 * a test that was killed. Its number is that of the program.
 *
 * @see setpriv(1), PR_SET_PDEATHSIG(2const)
 */
export function notOutlivingUs(words: readonly string[]): [string, ...string[]] {
  return ["setpriv", "--pdeathsig", "KILL", "--", ...words];
}

/** Ends a process that leads a group of its own, and all that it started; resolves when it is gone. */
export async function killGroup(child: ChildProcess): Promise<void> {
  const ended = child.exitCode !== null || child.signalCode !== null;
  const gone = ended ? undefined : once(child, "exit");
  if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL");
  await gone;
}

/** Signals every process of a group; it may have ended already. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  signalIfThere(-pid, signal);
}

/** Tells whether a group has any process left. */
export function isGroupAlive(pid: number): boolean {
  return signalIfThere(-pid, 0);
}

/** Ends one process; it may have ended already. */
export function killProcess(pid: number): void {
  signalIfThere(pid, "SIGKILL");
}

/** False when there is nobody to signal. Signal 0 only looks. */
function signalIfThere(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return kill(pid, signal);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}
