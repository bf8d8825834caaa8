import { REFUSED } from "./layout.ts";

/** Goes where stamps are; `told` prints the layout and every stamp. */
export const READ: string = `
told() { read -r l <layout || exit
  printf '%s\\n' "$l"
  for d in fence/*; do if [ -d "$d" ]; then printf '%s\\n' "\${d#fence/}"; fi; done
}
cd "$P/.lockstep" || exit`;

/**
 * A sign of life: `.hb` in the folder of a stamp, renamed into place. It holds the time by the clock of the host, then
 * who gives it. Its name begins with a dot, so that what empties the folder leaves it alone.
 *
 * `beat` gives one, and cannot once the folder has another name. `fresh` tells whether the last one is at most
 * LEASE seconds old. One from the future, where the clock was set back, counts as given now, and is dated so: who is
 * dead does not hold the host until that time comes.
 */
const BEAT = `
beat() {
  now=$(date +%s) && printf '%s %s\\n' "$now" "$HOLDER" >"trash/$N.hb" && mv -f "trash/$N.hb" "$1/.hb" && return
  rm -f "trash/$N.hb"
  return 1
}
fresh() {
  [ -f "$1/.hb" ] && read -r at holder 2>/dev/null <"$1/.hb" || return 1
  case $at in (''|*[!0-9]*) return 1 ;; esac
  age=$(($(date +%s) - at))
  if [ "$age" -lt 0 ]; then
    (HOLDER=$holder && beat "$1")
    age=0
  fi
  [ "$age" -le "$LEASE" ]
}`;

/**
 * Lays out what is missing, sets the stamp where no newer one is, and tells what is there then: all in one round
 * trip. Each line may be the last that ran.
 *
 * Folders: all lines do nothing the second time, and `layout` is renamed into place, complete, after the
 * folders it speaks of.
 *
 * The first stamp: the folder arrives with the stamp in it. rename(2) of a directory over one that is not
 * empty fails, and `fence` never is: of any number of first runs one wins.
 *
 * Every other: compare-and-set, because the rename fails when the old name is gone. What an older run prepared in
 * its directory moves along, so that its own paths to it lead nowhere.
 *
 * Runs of another lineage cannot be compared, and whether they may be taken over at all was decided before: one that
 * gives signs of life is left alone, unless MINE says that it is this connection's own. The sign of the taker comes
 * before the rename. The other way round the new name would carry the old sign for a moment, and a second taker
 * would find it as dead as the first one did.
 *
 * In a lineage the epoch decides alone: a full disk, which takes no sign, keeps nobody from putting things back.
 *
 * Last it says what there is of the release ID, where that is asked: the step that begins next wants to know.
 */
export const SET: string = `
umask 022
mkdir -p "$P" && cd "$P" || exit
if [ ! -f .lockstep/layout ]; then
  mkdir -p releases .lockstep/meta .lockstep/trash && mkdir ".lockstep/trash/$N" || exit
  printf '%s\\n' "$VERSION" >".lockstep/trash/$N/layout" || exit
  mv -f ".lockstep/trash/$N/layout" .lockstep/ && rmdir ".lockstep/trash/$N" || exit
fi
${READ}${BEAT}
flush() { sync -f . 2>/dev/null || sync; }
move() { [ -e "fence/$NEW" ] || { mv "fence/$found" "fence/$NEW" && flush; }; }
read -r l <layout || exit
found= count=0 held=
for d in fence/*; do
  d=\${d#fence/} rest=\${d#*.}
  case $d in (*.*.*) ;; (*) continue ;; esac
  case \${rest%%.*} in (''|*[!0-9]*) continue ;; esac
  found=$d count=$((count + 1))
done
rest=\${found#*.}
if [ "$l" != "$VERSION" ] || [ "$count" -gt 1 ]; then :
elif [ "$count" = 0 ]; then
  mkdir "trash/$N" "trash/$N/fence" "trash/$N/fence/$NEW" && beat "trash/$N/fence/$NEW" || exit
  mv -f "trash/$N/fence" . && flush
elif [ "$found" = "$NEW" ]; then beat "fence/$NEW"
elif [ "\${found%%.*}" = "$LINEAGE" ]; then
  if [ "\${rest%%.*}" -lt "$EPOCH" ]; then beat "fence/$found"; move; fi
elif [ "$found" != "$MINE" ] && fresh "fence/$found"; then held="$age $holder"
elif beat "fence/$found"; then move
elif [ -d "fence/$found" ]; then exit 1
fi
told
if [ -n "$held" ]; then printf 'held %s\\n' "$held"; fi
if [ -n "$ID" ]; then
  state= run=
  { read -r state <"meta/$ID/state"; read -r run <"meta/$ID/run"; } 2>/dev/null
  printf 'had %s %s\\n' "$state" "$run"
fi`;

/** Gives a sign of life; refuses once another run has the host. */
export const RENEW: string = `
cd "$P/.lockstep" || exit${BEAT}
beat "fence/$STAMP" || [ -d "fence/$STAMP" ] || exit ${REFUSED.fenced}`;

/** Nobody has to wait for a run that has ended. */
export const RELEASE = 'rm -f "$P/.lockstep/fence/$STAMP/.hb"';
