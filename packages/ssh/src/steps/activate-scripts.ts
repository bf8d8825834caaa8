import { LINKED, OWNED, REFUSED } from "../layout.ts";

/**
 * Points \`current\` at $1 so that no reader ever misses it: \`ln -sfn\` of busybox unlinks first, while a
 * rename over the old link is one step (POSIX rename) with every \`mv\`, and a move into the parent needs no
 * \`-T\`, which BSD lacks. The new link is made inside the stamp of this run: once a newer run has renamed
 * that, there is nothing here to move.
 */
export const POINT: string = `
point() {
  F="$S/fence/$STAMP"
  mkdir "$F/$N" && ln -s "$1" "$F/$N/current" || { owned; exit 1; }
  mv -f "$F/$N/current" "$P/" || { owned; exit 1; }
  rmdir "$F/$N" 2>/dev/null
  return 0
}
# makes what a way back needs, so that a disk that is full by then cannot keep the run from going back
back() { B="$S/fence/$STAMP/back.$ID"; }
prepare() {
  back
  rm -rf "$B"
  mkdir "$B" && { [ -z "$PREVIOUS" ] || ln -s "$PREVIOUS" "$B/current"; } || { owned; exit 1; }
}
# btrfs with quotas wants room for a rename, too: it is kept until then
reserve() { printf '%262144s' '' >"$B/room" || { owned; exit 1; }; }
carry() { mv -f "$1" "$2" || { rm -f "$B/room"; flush; mv -f "$1" "$2"; } || { owned; exit 1; }; }
# starts with a line break, so that a line that was torn spoils no other
note() { printf '\\n%s %s %s\\n' "$1" "$2" "$3" >>"$S/log"; }`;

/** Prints where \`current\` points. */
export const INSPECT: string = `${LINKED}
cd "$P" 2>/dev/null || exit 0
linked`;

/**
 * Moves the link, once. The marker comes first: from then on a revert knows that a link to this release is
 * this run's work. Killed after it, the link is either old or new, never missing.
 */
export const ACTIVATE: string = `${OWNED}${POINT}
found=$(linked)
M="$S/meta/$ID"
if [ "$found" = "releases/$ID" ]; then
  marker=; [ -f "$M/activating" ] && read -r marker <"$M/activating"
  [ "$marker" = "$RUN" ] || [ "$found" = "$PREVIOUS" ] || { printf '%s\\n' "$found"; exit ${REFUSED.conflict}; }
elif [ "$found" != "$PREVIOUS" ]; then
  printf '%s\\n' "$found"; exit ${REFUSED.conflict}
else
  state=; [ -f "$M/state" ] && read -r state <"$M/state"
  case $state in (ready|adopted) ;; (*) exit ${REFUSED.notReady} ;; esac
  [ -d "releases/$ID" ] || exit ${REFUSED.notReady}
  p=\${PREVIOUS##*/}
  if [ -n "$ADOPT" ] && [ -d "releases/$p" ] && [ -n "$p" ] && [ ! -d "$S/meta/$p" ]; then
    mkdir -p "$S/trash/$N.p/$p" && echo adopted >"$S/trash/$N.p/$p/state" &&
      echo adopted >"$S/trash/$N.p/$p/digest" && echo - >"$S/trash/$N.p/$p/run" &&
      mv "$S/trash/$N.p/$p" "$S/meta/" && rmdir "$S/trash/$N.p" || exit
  fi
  [ -z "$PREVIOUS" ] || note live "$p" - || exit
  printf '%s\\n' "$RUN" >"$M/activating.new" && mv -f "$M/activating.new" "$M/activating" || exit
  prepare
  reserve
  point "releases/$ID"
fi
# a full disk must not undo a move: the next run notes what it finds live
note live "$ID" "$RUN" || :
flush`;

/** From now on the host does not go back by itself, unless it just did. */
const DISARM = `
disarm() {
  [ -f "$S/meta/$ID/watch" ] && read -r w deadline <"$S/meta/$ID/watch" || return 0
  mkdir "$S/meta/$ID/watch.$w/decision" 2>/dev/null && : >"$S/meta/$ID/watch.$w/decision/kept"
  return 0
}`;

/** Prints whether the link was moved by this run, and whether it drained the host. */
export const OURS: string = `${OWNED}
marker=; [ -f "$S/meta/$ID/activating" ] && read -r marker <"$S/meta/$ID/activating"
if [ "$marker" = "$RUN" ] && [ "$(linked)" = "releases/$ID" ]; then echo moved; fi
drained=; [ -f "$S/meta/$ID/drained" ] && read -r drained <"$S/meta/$ID/drained"
if [ "$drained" = "$RUN" ]; then echo drained; fi`;

/** Written before a host is drained, so that whatever happens it is undrained. */
export const DRAINED: string = `${OWNED}
printf '%s\\n' "$RUN" >"$S/meta/$ID/drained.new" && mv -f "$S/meta/$ID/drained.new" "$S/meta/$ID/drained"`;

/** The host takes part again. */
export const UNDRAINED: string = `${OWNED}
rm -f "$S/meta/$ID/drained"`;

/**
 * Moves the link back where the marker says that this run moved it. Prints what it found: the caller then
 * runs the restart and only after that drops the marker, so that a revert cut off here is done again.
 */
export const GO_BACK: string = `
[ -f "$P/.lockstep/layout" ] || { echo untouched; exit 0; }
${OWNED}${POINT}${DISARM}
marker=; [ -f "$S/meta/$ID/activating" ] && read -r marker <"$S/meta/$ID/activating"
found=$(linked)
if [ "$marker" != "$RUN" ]; then
  if [ "$found" = "$PREVIOUS" ]; then echo untouched; else echo conflict; fi
  exit 0
fi
disarm
if [ "$found" = "releases/$ID" ] && [ "$found" != "$PREVIOUS" ]; then
  back
  if [ -z "$PREVIOUS" ]; then
    # taken into the stamp's directory, so that only the run that owns the host can
    [ -d "$B" ] || prepare
    carry current "$B/"
  else
    [ -d "$PREVIOUS/" ] || { echo "$PREVIOUS is gone"; exit ${REFUSED.conflict}; }
    [ "$(readlink "$B/current")" = "$PREVIOUS" ] || prepare
    carry "$B/current" "$P/"
  fi
  rm -rf "$B"
elif [ "$found" != "$PREVIOUS" ]; then
  echo conflict; exit 0
fi
note undo - "$RUN" || :
flush
echo restored`;

/** The last act of a revert. */
export const FORGET: string = `${OWNED}
rm -f "$S/meta/$ID/activating"`;
