import { OWNED, REFUSED } from "../layout.ts";
import { POINT } from "./activate-scripts.ts";

/**
 * Leaves a process on the host that puts the link back after SECS seconds, unless `decision` exists by then:
 * whoever makes that folder decides, and only one can. It moves a link out of the stamp's folder, so that it can
 * do nothing once a newer run owns the host. \`FOLLOW\` stands for the commands that follow the link.
 */
export function armScript(follow: string): string {
  return `${OWNED}${POINT}
[ -n "$PREVIOUS" ] && [ "$(linked)" = "releases/$ID" ] || exit 0
W="$S/meta/$ID/watch.$N"
mkdir "$W" && printf '%s %s\\n' "$N" "$(($(date +%s) + SECS))" >"$W/new" && mv -f "$W/new" "$S/meta/$ID/watch" || exit
(
  trap '' HUP INT
  sleep "$SECS"
  [ -d "$S/fence/$STAMP" ] && mkdir "$W/decision" || exit 0
  [ "$(linked)" = "releases/$ID" ] && [ -d "$PREVIOUS/" ] || exit 0
  : >"$W/decision/back"
  point "$PREVIOUS"
  note undo - "$RUN"
  flush
  cd current || exit
  ${follow}
) </dev/null >/dev/null 2>&1 &`;
}

/** Prints how many seconds are left, \`back\` when the host went back, nothing when it does not watch. */
export const LEFT: string = `
cd "$P/.lockstep/meta/$ID" 2>/dev/null || exit 0
[ -f watch ] && read -r w deadline <watch || exit 0
if [ -f "watch.$w/decision/kept" ]; then exit 0; fi
if [ -d "watch.$w/decision" ]; then echo back; exit 0; fi
echo $((deadline - $(date +%s)))`;

/** Decides that the release stays. */
export const CONFIRM: string = `${OWNED}
cd "$S/meta/$ID" && [ -f watch ] && read -r w deadline <watch || exit 0
if mkdir "watch.$w/decision" 2>/dev/null; then : >"watch.$w/decision/kept"; fi
[ -f "watch.$w/decision/kept" ] || exit ${REFUSED.wentBack}
rm -f watch`;
