import { readFile, readlink } from "node:fs/promises";
import type { Json, Store } from "@lockstep/plugin";

/** Where a process runs and which one it is; enough to prove later that it is gone. */
type Presence = {
  readonly machine: string;
  readonly boot: string;
  /** Identity of the pid namespace: in another container the same pid is another process. */
  readonly pids: string;
  readonly pid: number;
  /** Clock ticks from boot to the start of the process; a recycled pid has another. */
  readonly started: string;
};

/**
 * Proves that processes of this machine run or are gone, from what Linux shows under `/proc`.
 *
 * Where there is no `/proc` it proves nothing, and a lease has to run out.
 *
 * @see proc(5): `/proc/PID/stat`, field 22
 */
export function localPresence(): NonNullable<Store["presence"]> {
  return {
    self: async () => (await thisProcess()) ?? null,
    async look(other) {
      const self = await thisProcess();
      if (self === undefined || !isPresence(other) || other.machine !== self.machine)
        return "unknown";
      if (other.boot !== self.boot) return "gone";
      if (other.pids !== self.pids) return "unknown";
      return (await startOf(other.pid)) === other.started ? "alive" : "gone";
    },
  };
}

async function thisProcess(): Promise<Presence | undefined> {
  try {
    const [machine, boot, pids, stat] = await Promise.all([
      readFile("/etc/machine-id", "utf8").catch(() =>
        readFile("/proc/sys/kernel/hostname", "utf8"),
      ),
      readFile("/proc/sys/kernel/random/boot_id", "utf8"),
      readlink("/proc/self/ns/pid"),
      readFile("/proc/self/stat", "utf8"),
    ]);
    const pid = Number.parseInt(stat, 10);
    return { machine: machine.trim(), boot: boot.trim(), pids, pid, started: startIn(stat) };
  } catch {
    return undefined; // not Linux
  }
}

async function startOf(pid: number): Promise<string | undefined> {
  try {
    return startIn(await readFile(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined;
  }
}

/** Field 22; the second field is a name in parentheses that may hold blanks. A zombie counts as gone. */
function startIn(stat: string): string {
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || state === "X" ? "" : (fields[18] ?? "");
}

function isPresence(value: Json): value is Presence {
  return typeof value === "object" && value !== null && "boot" in value && "pids" in value;
}
