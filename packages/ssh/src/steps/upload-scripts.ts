import { OWNED, REFUSED } from "../layout.ts";

/**
 * Moves a release of ours away: tree first, then meta, so that no tree is ever without its meta.
 * Whatever an earlier try still writes goes on into the moved tree, because it has it as its directory.
 * Two renames and nothing new: a full disk must not keep a run from being put back.
 */
const DISCARD = `
discard() {
  if [ -e "releases/$ID" ]; then mv "releases/$ID" "$S/trash/$ID.$N.tree" || exit; fi
  if [ -e "$S/meta/$ID" ]; then mv "$S/meta/$ID" "$S/trash/$ID.$N.meta" || exit; fi
  rm -rf "$S/trash/$ID.$N.tree" "$S/trash/$ID.$N.meta" 2>/dev/null
  return 0
}
look() {
  state= run= digest=
  if [ -d "$S/meta/$ID" ]; then
    { read -r state <"$S/meta/$ID/state"; read -r run <"$S/meta/$ID/run"
      read -r digest <"$S/meta/$ID/digest"; } 2>/dev/null
  fi
}`;

/** Prints `state run` of a release, or nothing when the host does not have it. */
export const INSPECT: string = `
cd "$P/.lockstep/meta/$ID" 2>/dev/null || exit 0
state= run=
{ read -r state <state; read -r run <run; } 2>/dev/null
printf '%s %s\\n' "$state" "$run"`;

/** Says `done` when the release is complete, else makes an empty tree for attempt `N`. */
export const BEGIN: string = `${OWNED}${DISCARD}
look
if [ "$state" = ready ] && [ "$digest" = "$DIGEST" ] && [ -d "releases/$ID" ]; then echo 'done'; exit 0; fi
if [ -d "$S/meta/$ID" ]; then
  if [ "$state" = ready ] || { [ "$run" != "$RUN" ] && [ "$state $run" != "$BEFORE" ]; } ||
    [ "$(linked)" = "releases/$ID" ]; then
    printf '%s %s\\n' "$state" "$run"; exit ${REFUSED.conflict}
  fi
  discard
elif [ -e "releases/$ID" ]; then
  echo 'a tree that Lockstep did not make'; exit ${REFUSED.conflict}
fi
# meta arrives complete: killed before the move, it is only trash
mkdir -p "$S/trash/$N.new/$ID" && cd "$S/trash/$N.new/$ID" || exit
printf '%s\\n' "$RUN" >run && printf '%s\\n' "$DIGEST" >digest && printf '%s\\n' "$N" >attempt &&
  echo staging >state || exit
cd "$P" && mv "$S/trash/$N.new/$ID" "$S/meta/" && rmdir "$S/trash/$N.new" && mkdir "releases/$ID"`;

/**
 * Unpacks stdin into the tree. First the directory is entered, then the attempt is compared: a later try
 * renames this directory away after it has written its own attempt, so neither can write into the other's.
 */
export const UNPACK: string = `
LC_ALL=C; export LC_ALL; umask 022
cd "$P/releases/$ID" || exit
read -r attempt <"../../.lockstep/meta/$ID/attempt"
[ "$attempt" = "$N" ] || exit ${REFUSED.conflict}
inflate() { if command -v gzip >/dev/null 2>&1; then gzip -dc; else gunzip -c; fi; }
inflate | tar -xof -`;

/**
 * Compares tree and lists. It works from inside meta: once a later try has moved that away, whatever is
 * written here goes to the trash. \`state\` is renamed into place when everything else is on disk.
 */
export const FINISH: string = `${OWNED}
cd "$S/meta/$ID" || exit ${REFUSED.conflict}
read -r attempt <attempt
[ "$attempt" = "$N" ] || exit ${REFUSED.conflict}
T=../../../releases/$ID
wrong() { printf '%s\\n' "$1" >&2; exit ${REFUSED.incomplete}; }
[ -d "$T/$LISTS" ] || wrong 'the end of the upload is missing'
printf '%s' "$SUMS" | (cd "$T/$LISTS" && sha256sum -c - >/dev/null 2>&1) || wrong 'its lists differ'
for f in manifest files execs dirs links; do mv -f "$T/$LISTS/$f" "./$f" || exit; done
rmdir "$T/$LISTS" || wrong 'there is more than was sent'
exec 3<files 4<execs 5<dirs 6<links
(
  cd "$T" || exit
  count() { find . "$@" | wc -l; }
  if [ "$FILES" -gt 0 ]; then sha256sum -c - <&3 >/dev/null 2>&1 || exit 1; fi
  while IFS= read -r p; do [ -x "./$p" ] && [ ! -L "./$p" ] || wrong "$p is not executable"; done <&4
  while IFS= read -r p; do [ -d "./$p" ] && [ ! -L "./$p" ] || wrong "$p is no directory"; done <&5
  while IFS= read -r p && IFS= read -r t; do
    [ -L "./$p" ] && [ "$(readlink "./$p")" = "$t" ] || wrong "$p is not the link that was sent"
  done <&6
  [ "$(count -type f)" -eq "$FILES" ] || wrong 'the number of files differs'
  [ "$(count -type d)" -eq "$((DIRS + 1))" ] || wrong 'the number of directories differs'
  [ "$(count -type l)" -eq "$LINKS" ] || wrong 'the number of links differs'
  [ "$(count -type f -perm -100)" -eq "$EXECS" ] || wrong 'the number of executable files differs'
  [ "$(count ! -type f ! -type d ! -type l)" -eq 0 ] || wrong 'there is more than was sent'
)
case $? in
  (0) ;;
  (1) (cd "$T" && sha256sum -c - <"../../.lockstep/meta/$ID/files" 2>/dev/null) |
       while IFS= read -r l; do
         case $l in (*': OK') ;; (*) printf '%s\\n' "$l" >&2; break ;; esac
       done
     exit ${REFUSED.incomplete} ;;
  (*) exit ${REFUSED.incomplete} ;;
esac
rm -f files execs dirs links
# content reaches the disk before the word that it is complete
sync -f . 2>/dev/null || sync
[ -d "../../fence/$STAMP" ] || exit ${REFUSED.fenced}
echo ready >state.new && mv -f state.new state`;

/** Removes what this run uploaded, unless it is live. Prints what it found. */
export const REMOVE: string = `
[ -f "$P/.lockstep/layout" ] || { echo absent; exit 0; }
${OWNED}${DISCARD}
look
if [ "$run" != "$RUN" ]; then echo absent; exit 0; fi
if [ "$(linked)" = "releases/$ID" ]; then echo live; exit 0; fi
discard
echo removed`;
