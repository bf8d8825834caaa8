import type { Stamp } from "@lockstep/plugin";
import { LEASE_SECONDS } from "./heartbeat.ts";
import type { RemoteHost } from "./host.ts";
import { parseStamp } from "./layout.ts";

/** Prints each sign of life: the stamp it belongs to, its age in seconds, then who gave it. Changes nothing. */
export const SIGNS: string = `
signs() {
  now=$(date +%s)
  for d in fence/*; do
    [ -f "$d/.hb" ] && read -r at holder 2>/dev/null <"$d/.hb" || continue
    case $at in (''|*[!0-9]*) continue ;; esac
    printf 'sign %s %s %s\\n' "\${d#fence/}" "$((now - at))" "$holder"
  done
}
if cd "$P/.lockstep" 2>/dev/null; then signs; fi`;

/** A run that is at work on a host. */
export interface Sign {
  readonly stamp: Stamp;
  /** Age in seconds, by the clock of the host, then run, since when, and who. */
  readonly heldBy: string;
}

/** The runs at work, of what {@link SIGNS} printed. A sign from the future is left to whoever takes the host. */
export function parseSigns(output: string): Sign[] {
  return output.split("\n").flatMap((line) => {
    const words = /^sign (?<name>\S+) (?<age>\d+) (?<holder>.+)$/.exec(line)?.groups;
    const { name = "", age = "", holder = "" } = words ?? {};
    const stamp = parseStamp(name);
    const isAlive = stamp !== undefined && Number(age) <= LEASE_SECONDS;
    return isAlive ? [{ stamp, heldBy: `${age} ${holder}` }] : [];
  });
}

const known = new WeakMap<RemoteHost, readonly Stamp[]>();

/** Remembers the stamps a host had when it was looked at. */
export function rememberStamps(host: RemoteHost, stamps: readonly Stamp[]): void {
  known.set(host, stamps);
}

/** Those stamps; none before the first look. */
export function stampsSeen(host: RemoteHost): readonly Stamp[] {
  return known.get(host) ?? [];
}
