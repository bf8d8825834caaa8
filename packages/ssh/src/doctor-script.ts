/** What a look at the surroundings of a host found. */
export interface Seen {
  /** Programs that uploads can use. */
  readonly tools: readonly string[];
  /** Seconds since 1970 by the host's clock. */
  readonly seconds: number | undefined;
  /** Commands that the account may run through sudo without a password, and those it may not. */
  readonly allowed: readonly string[];
  readonly refused: readonly string[];
  /** Programs that are not there. */
  readonly missing: readonly string[];
  /** Units that systemd does not have, each with what it says instead. */
  readonly unknownUnits: readonly string[];
  /** True when background processes of the account end at its logout. */
  readonly killsAtLogout: boolean;
}

/**
 * Tools, clock, what sudo allows, which PROGRAMS and UNITS are there and what logind does at logout. `sudo -n -l
 * COMMAND` runs nothing; each line of COMMANDS is split at blanks, and never read by a shell.
 */
export const DOCTOR: string = `
for t in zstd gzip; do command -v "$t" >/dev/null 2>&1 && printf 'tool %s\\n' "$t"; done
printf 'clock %s\\n' "$(date +%s 2>/dev/null)"
set -f
printf '%s\\n' "$COMMANDS" | while IFS= read -r c; do
  [ -n "$c" ] || continue
  if sudo -n -l $c >/dev/null 2>&1; then printf 'sudo %s\\n' "$c"
  else
    # sudoers wants the whole path of a program
    p=$(command -v "\${c%% *}") && c=$p\${c#"\${c%% *}"}
    printf 'nosudo %s\\n' "$c"
  fi
done
set +f
printf '%s\\n' "$PROGRAMS" | while IFS= read -r c; do
  [ -z "$c" ] || ( [ -z "$WITH_PATH" ] || PATH=$WITH_PATH; command -v "$c" >/dev/null 2>&1 ) || printf 'missing %s\\n' "$c"
done
[ -z "$UNITS" ] || command -v systemctl >/dev/null 2>&1 || { UNITS=; echo 'missing systemctl'; }
printf '%s\\n' "$UNITS" | while IFS= read -r u; do
  [ -n "$u" ] || continue
  s=$(systemctl show -p LoadState -- "$u" 2>&1 </dev/null) && [ "$s" = LoadState=loaded ] && continue
  printf 'unit %s: %s\\n' "$u" "$(printf '%s\\n' "$s" | head -n 1)"
done
if grep -qsi '^[[:space:]]*KillUserProcesses[[:space:]]*=[[:space:]]*\\(yes\\|1\\|true\\|on\\)' /etc/systemd/logind.conf /etc/systemd/logind.conf.d/*.conf \\
  && [ ! -e "/var/lib/systemd/linger/$(id -un)" ]; then echo 'logout kills'
fi
exit 0`;

/** What {@link DOCTOR} printed; lines it does not know are skipped. */
export function parseDoctor(output: string): Seen {
  const all = (key: string): string[] =>
    output
      .split("\n")
      .flatMap((line) => (line.startsWith(`${key} `) ? [line.slice(key.length + 1)] : []));
  const [clock = ""] = all("clock");
  return {
    tools: all("tool"),
    seconds: /^\d+$/.test(clock) ? Number(clock) : undefined,
    allowed: all("sudo"),
    refused: all("nosudo"),
    missing: [...new Set(all("missing"))],
    unknownUnits: all("unit"),
    killsAtLogout: all("logout").length > 0,
  };
}
