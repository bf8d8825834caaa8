import { readFile, readlink } from "node:fs/promises";
import { pid } from "node:process";

/** The process that made an account, written so that it can be proven later that it is gone. */
interface Owner {
  /** Number of the pid namespace: in another container the same pid is another process. */
  readonly pids: string;
  readonly pid: string;
  /** Clock ticks from boot to the start of the process; a recycled pid has another. */
  readonly started: string;
}

const COMMENT = /^lockstep test, process (?<pid>\d+) started (?<started>\d+) in (?<pids>\d+)$/;

/** What stands in the comment of an account that this process makes. */
export async function ownerComment(): Promise<string> {
  const [started, pids] = await Promise.all([startOf(pid), pidNamespace()]);
  return `lockstep test, process ${pid} started ${started} in ${pids}`;
}

/** True when the comment names a process that is gone for certain; false for every other comment. */
export async function isAbandoned(comment: string): Promise<boolean> {
  const owner = COMMENT.exec(comment)?.groups as Owner | undefined;
  if (owner === undefined || owner.pids !== (await pidNamespace())) return false;
  return (await startOf(Number(owner.pid))) !== owner.started;
}

async function pidNamespace(): Promise<string> {
  return (await readlink("/proc/self/ns/pid")).replaceAll(/\D/g, "");
}

/**
 * Empty when there is no such process, or only what is left of it until its parent has looked.
 *
 * @see proc_pid_stat(5), field 22; the second field is a name in parentheses that may hold blanks
 */
async function startOf(process: number): Promise<string> {
  const stat = await readFile(`/proc/${process}/stat`, "utf8").catch(() => "");
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || state === "X" ? "" : (fields[18] ?? "");
}
