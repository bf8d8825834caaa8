import type { Check, CheckResult } from "@lockstep/plugin";
import { hostOf, type SshConnection } from "../connection.ts";
import { lastLine, oneLine } from "../output.ts";

/** Which process has to run from the live release. */
export type ProcessCheckInput = {
  /** Path of the target on the host. */
  readonly path: string;
  readonly process: { readonly systemd: string } | { readonly pidFile: string };
  readonly sudo: boolean;
  /** Milliseconds that it must go on being the same process. */
  readonly soakMs: number;
};

/** Statuses of the script. */
const PASS = 0;
const UNKNOWN = 2;

/**
 * Prints what it found. A process is the same when number, start and, for systemd, count of restarts are.
 *
 * @see proc_pid_stat(5): starttime is field 22; the second field may hold spaces and ends with the last ")"
 */
const LOOK = `
P=$P; cd "$P/current" 2>/dev/null || { echo 'nothing is live'; exit 1; }
here=$(pwd -P)
as=; [ -z "$SUDO" ] || as='sudo -n'
shown() { systemctl show -p "$1" "$UNIT" | sed 's/^[^=]*=//'; }
sample() {
  if [ -n "$UNIT" ]; then pid=$(shown MainPID); count=$(shown NRestarts)
  else count=0 pid=; cd "$P" && [ -f "$FILE" ] && read -r pid <"$FILE"
  fi
  case $pid in (''|0|*[!0-9]*) echo 'there is no process'; exit 1 ;; esac
  stat=$(cat "/proc/$pid/stat" 2>/dev/null) || { printf 'process %s is gone\\n' "$pid"; exit 1; }
  set -- \${stat##*) }
  now="$pid \${20} $count"
}
sample
first=$now
cwd=$($as readlink "/proc/$pid/cwd" 2>/dev/null); exe=$($as readlink "/proc/$pid/exe" 2>/dev/null)
if [ -z "$cwd$exe" ]; then printf 'process %s may not be looked at\\n' "$pid"; exit ${UNKNOWN}; fi
case $cwd/ in ("$here"/*) ;; (*)
  case $exe in ("$here"/*) ;; (*) printf 'process %s runs in %s\\n' "$pid" "$cwd"; exit 1 ;; esac ;;
esac
if [ "$SECS" -gt 0 ]; then
  sleep "$SECS"
  sample
  [ "$now" = "$first" ] || { printf 'process %s was replaced by %s\\n' "\${first%% *}" "$pid"; exit 1; }
fi
printf 'process %s\\n' "$pid"`;

/** Proves that the process that serves runs from the live release, and not from the one before. */
export const checkProcess: Check<ProcessCheckInput, SshConnection> = {
  kind: "ssh.check-process/1",

  describe({ process, soakMs }) {
    const name = "systemd" in process ? process.systemd : process.pidFile;
    const time = soakMs === 0 ? "" : ` and stays for ${soakMs / 1000} s`;
    return oneLine(`see that the process of ${name} runs from the live release${time}`);
  },

  async check({ path, process, sudo, soakMs }, ctx): Promise<CheckResult> {
    const host = hostOf(ctx.connection, ctx.unit);
    const values = {
      P: path,
      UNIT: "systemd" in process ? process.systemd : "",
      FILE: "pidFile" in process ? process.pidFile : "",
      SUDO: sudo ? "yes" : "",
      SECS: String(Math.ceil(soakMs / 1000)),
    };
    const ran = await host.exec(ctx, { text: LOOK, values });
    const found = lastLine(ran.stdout) || lastLine(ran.stderr);
    const status = ran.status === PASS ? "pass" : ran.status === UNKNOWN ? "inconclusive" : "fail";
    return { status, wanted: "one process, in the live release", found };
  },
};
