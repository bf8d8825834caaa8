import { OWNED, REFUSED, UNSETTLED } from "../layout.ts";

/** Prints the name of what a release was furnished with, or nothing. */
export const INSPECT: string = `
cd "$P/.lockstep/meta/$ID" 2>/dev/null || exit 0
if [ -f furnished ] && read -r k <furnished; then printf '%s\\n' "$k"; fi`;

/** Whether no folder on the way to a path of the release is a link: through one, something else would be changed. */
const WITHIN = `
within() {
  d=\${1%/*}
  while [ "$d" != "releases/$ID" ]; do
    [ ! -L "$d" ] || return 1
    d=\${d%/*}
  done
}`;

/**
 * Makes the links to what is shared, and takes the variables from stdin. All of it does nothing the second time:
 * a link that is right stays, and the file is renamed into place.
 *
 * SHARED has three lines for each: \`d MODE\`, \`d -\` or \`f -\`, the path, and the text of the link.
 */
export const FURNISH: string = `${OWNED}
state= run=
{ read -r state <"$S/meta/$ID/state"; read -r run <"$S/meta/$ID/run"; } 2>/dev/null
[ "$state" = ready ] && [ -d "releases/$ID" ] || exit ${REFUSED.notReady}
if [ -f "$S/meta/$ID/furnished" ]; then
  read -r found <"$S/meta/$ID/furnished"
  [ "$found" != "$KEY" ] || { echo 'done'; exit 0; }
fi
${WITHIN}
printf '%s' "$SHARED" | while read -r kind mode && IFS= read -r p && IFS= read -r link; do
  t="releases/$ID/$p"
  within "$t" || { printf '%s\\n' "$P/$t"; exit ${REFUSED.conflict}; }
  if [ "$kind" = f ]; then
    [ -f "shared/$p" ] || { printf '%s\\n' "$P/shared/$p"; exit ${REFUSED.absent}; }
  elif [ ! -d "shared/$p" ]; then
    mkdir -p "shared/$p" || exit
    if [ "$mode" != - ]; then chmod "$mode" "shared/$p" || exit; fi
  fi
  if [ -L "$t" ] && [ "$(readlink "$t")" = "$link" ]; then continue; fi
  if [ -e "$t" ] || [ -L "$t" ]; then
    [ -n "$REPLACE" ] || { printf '%s\\n' "$P/$t"; exit ${REFUSED.conflict}; }
    rm -rf "$t" || exit
  fi
  case $t in (*/*) mkdir -p "\${t%/*}" || exit ;; esac
  ln -s "$link" "$t" || exit
done || exit
if [ -n "$ENVFILE" ]; then
  umask 077
  e="releases/$ID/$ENVFILE"
  within "$e" || { printf '%s\\n' "$P/$e"; exit ${REFUSED.conflict}; }
  (umask 022; mkdir -p "\${e%/*}") && cat >"$S/meta/$ID/env.new" && mv -f "$S/meta/$ID/env.new" "$e" || exit
fi`;

/** Says that all of it is done, so that a command of the user's does not run again. Readable by the account only. */
export const NOTE: string = `${OWNED}
umask 077
cd "$S/meta/$ID" && printf '%s\\n' "$KEY" "$SEAL" >furnished.new && mv -f furnished.new furnished`;

/** Forgets it, and removes the variables, in a release of this run that is neither live nor still to be left. Prints what it found. */
export const FORGET: string = `
[ -f "$P/.lockstep/layout" ] || { echo untouched; exit 0; }
${OWNED}${UNSETTLED}
run=; [ -f "$S/meta/$ID/run" ] && read -r run <"$S/meta/$ID/run"
[ "$run" = "$RUN" ] && [ "$(linked)" != "releases/$ID" ] && ! unsettled || { echo untouched; exit 0; }
found=untouched
if [ -f "$S/meta/$ID/furnished" ]; then found=restored; rm -f "$S/meta/$ID/furnished" || exit; fi
${WITHIN}
if [ -n "$ENVFILE" ] && within "releases/$ID/$ENVFILE" && [ -f "releases/$ID/$ENVFILE" ]; then
  found=restored; rm -f "releases/$ID/$ENVFILE" || exit
fi
printf '%s' "$SHARED" | while read -r kind mode && IFS= read -r p && IFS= read -r link; do
  if within "releases/$ID/$p" && [ -L "releases/$ID/$p" ]; then rm -f "releases/$ID/$p" || exit; fi
done || exit
echo "$found"`;
