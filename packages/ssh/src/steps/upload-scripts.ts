import { OWNED, REFUSED, UNSETTLED } from "../layout.ts";

/**
 * Moves a release of ours away: tree first, then meta, so that no tree is ever without its meta.
 * Whatever an earlier try still writes goes on into the moved tree, because it has it as its directory.
 * Two renames and nothing new: a full disk must not keep a run from being put back. Where even those find no room,
 * as with quotas of btrfs, it is removed where it is, and is complete no longer before its first file goes.
 */
const DISCARD = `
discard() {
  if [ -e "releases/$ID" ]; then
    mv "releases/$ID" "$S/trash/$ID.$N.tree" ||
      { owned; rm -f "$S/meta/$ID/state" && rm -rf "releases/$ID" && flush; } || exit
  fi
  if [ -e "$S/meta/$ID" ]; then mv "$S/meta/$ID" "$S/trash/$ID.$N.meta" || { owned; rm -rf "$S/meta/$ID"; } || exit; fi
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
cd "$P" && mv "$S/trash/$N.new/$ID" "$S/meta/" && rmdir "$S/trash/$N.new" && mkdir "releases/$ID" || exit
for t in zstd gzip gunzip; do if command -v "$t" >/dev/null 2>&1; then echo "tool $t"; fi; done
# what to start from: the same content under another name, else what is live
base=$(linked); base=\${base#releases/}
for m in "$S"/meta/*; do
  read -r state <"$m/state" && read -r digest <"$m/digest" && [ "$state $digest" = "ready $DIGEST" ] || continue
  base=\${m##*/}
done 2>/dev/null
[ "$base" != "$ID" ] && [ -f "$S/meta/$base/manifest" ] && [ -d "releases/$base" ] || exit 0
{ read -r state <"$S/meta/$base/state" && read -r digest <"$S/meta/$base/digest"; } 2>/dev/null
[ "$state" != ready ] || printf 'base %s %s\\n' "$base" "$digest"`;

/**
 * First the directory is entered, then the attempt is compared: a later try renames this directory away after it
 * has written its own attempt, so neither can write into the other's.
 */
const ENTER = `
LC_ALL=C; export LC_ALL; umask 022
cd "$P/releases/$ID" || exit
read -r attempt <"../../.lockstep/meta/$ID/attempt"
[ "$attempt" = "$N" ] || exit ${REFUSED.conflict}`;

/** Unpacks stdin into the tree. */
export const UNPACK: string = `${ENTER}
inflate() {
  case $Z in
    (zstd) zstd -dcq ;;
    (gzip) if command -v gzip >/dev/null 2>&1; then gzip -dc; else gunzip -c; fi ;;
    (*) cat ;;
  esac
}
inflate | tar -xof - || exit`;

/**
 * With a base, what the manifest lists and did not arrive is copied from there, file by file: nothing that was
 * added to the base is, and what was altered in it shows in the comparison.
 */
const COPY = `
[ -n "$BASE" ] && [ -d "$LISTS" ] || exit 0
B="$P/releases/$BASE" D=$PWD; export D
if [ -f "$LISTS/edit" ]; then
  sed -f "$LISTS/edit" "$P/.lockstep/meta/$BASE/manifest" >"$LISTS/manifest" && rm -f "$LISTS/edit" || exit
fi
find . -type f | sed "/^\\.\\/$LISTS\\//d" >"$LISTS/have"
sed -n 's/^f [0-9]* [0-9]* [0-9a-f]* /.\\//p' "$LISTS/manifest" |
  sort - "$LISTS/have" "$LISTS/have" | uniq -u >"$LISTS/missing"
tr '\\n' '\\0' <"$LISTS/missing" >"$LISTS/missing0"
# what cannot be copied is found missing, and sent
IFS= read -r one <"$LISTS/missing" || one=
if [ -z "$one" ] || ! cd "$B"; then :
elif [ "$HOW" = link ] && cp --reflink=auto --version >/dev/null 2>&1; then
  xargs -0 cp -plP --parents -t "$D" <"$D/$LISTS/missing0"
elif cp --reflink=always "$one" "$D/$LISTS/probe"; then
  xargs -0 cp -pP --parents --reflink=always -t "$D" <"$D/$LISTS/missing0"
else
  # twice as fast as cp, which looks at each folder on the way to each file
  xargs -0 sh -c 'tar -cf - "$@" | tar -xof - -C "$D"' sh <"$D/$LISTS/missing0"
fi 2>/dev/null
cd "$D" && rm -f "$LISTS/have" "$LISTS/missing" "$LISTS/missing0" "$LISTS/probe"`;

/**
 * Compares tree and lists. It works from inside meta: once a later try has moved that away, whatever is
 * written here goes to the trash. Files that can be sent again are named on stdout; anything else that differs
 * is said on stderr. \`state\` is renamed into place when everything else is on disk. Last it says where \`current\`
 * points.
 */
export const FINISH: string = `${OWNED}
LC_ALL=C; export LC_ALL
cd "$S/meta/$ID" || exit ${REFUSED.conflict}
read -r attempt <attempt
[ "$attempt" = "$N" ] || exit ${REFUSED.conflict}
T=../../../releases/$ID
wrong() { printf '%s\\n' "$1" >&2; exit ${REFUSED.incomplete}; }
[ -d "$T/$LISTS" ] || wrong 'the end of the upload is missing'
NAME='printf "$0 %s\\n" "$@"'
sum() { sha256sum <"$T/$LISTS/$1" 2>/dev/null; }
[ "$(sum manifest)" = "$SUM  -" ] && [ "$(sum links)" = "$LINKSUM  -" ] || wrong 'its lists differ'
mv -f "$T/$LISTS/manifest" "$T/$LISTS/links" . || exit
rmdir "$T/$LISTS" || wrong 'there is more than was sent'
# no part of a pattern is named: sed takes five times as long then
sed -n '/^f /{s/^f [0-9]* [0-9]* //;s/ /  .\\//p;}' manifest >sums
# what takes a while is digested in two halves side by side
first=sums second=
if [ "$HALF" -gt 0 ]; then
  first=sums1 second=sums2
  sed -n "1,\${HALF}p" sums >sums1; sed "1,\${HALF}d" sums >sums2
fi
M=$PWD; cd "$T" || exit
# openssl digests several times as fast as most sha256sum; where it does not say the same, that one decides
same() { [ ! -s "$1" ] || sed 's/^[^ ]*  //' "$1" | tr '\\n' '\\0' | xargs -0 openssl dgst -sha256 -r |
  sed 's/ \\*/  /' | cmp -s - "$1"; }
same "$M/$first" 2>/dev/null & one=$!
[ -z "$second" ] || { same "$M/$second" 2>/dev/null & other=$!; }
{ sed -n '/^f /{s/^f //;s/ [0-9]* [0-9a-f]* / .\\//p;};s/^d 755 /d .\\//p' "$M/manifest"
  sed -n 's/^/l .\\//p;n' "$M/links"; } | sort >"$M/want"
# one walk tells kind and mode of everything; no parentheses: busybox 1.35 forgets a list that is named in them
find . -name . -o -type f -perm 644 -exec sh -c "$NAME" 644 {} + -o -type f -perm 755 -exec sh -c "$NAME" 755 {} + \\
  -o -type d -exec sh -c "$NAME" d {} + -o -type l -exec sh -c "$NAME" l {} + -o -exec sh -c "$NAME" '?' {} + |
  sort >"$M/is"
while IFS= read -r p && IFS= read -r t; do
  [ "$(readlink "./$p")" = "$t" ] || wrong "$p is not the link that was sent"
done <"$M/links"
if wait "$one" && { [ -z "$second" ] || wait "$other"; }; then :
else sha256sum -c - <"$M/sums" 2>/dev/null | sed -n 's/: FAILED.*//p'
fi >"$M/failed"
cd "$M" || exit
cmp -s want is || {
  sort want is is | uniq -u >lost; sort want want is | uniq -u >extra
  [ -z "$(sed -n '/^d /p' lost extra)" ] || wrong 'its directories differ'
  [ -z "$(sed -n '/^l /p' lost extra)" ] || wrong 'its links differ'
  sed 's/^[^ ]* //' lost >names
  [ -z "$(sed 's/^[^ ]* //' extra | sort - names names | uniq -u)" ] || wrong 'there is more than was sent'
  cat names >>failed
}
sort -u failed >bad
if [ -s bad ]; then
  IFS= read -r p <bad
  cat bad
  wrong "$p is missing or differs"
fi
rm -f want is sums sums1 sums2 failed lost extra names bad links
# content reaches the disk before the word that it is complete
flush
[ -d "../../fence/$STAMP" ] || exit ${REFUSED.fenced}
echo ready >state.new && mv -f state.new state || exit
# the step that moves the link wants to know where it points
cd "$P" && printf 'link ' && linked
exit 0`;

/** All in one go. */
export const ARRIVE: string = `(${UNPACK}
${COPY}
) || exit
${FINISH}`;

/** What is left to do when all parts were unpacked. */
export const GATHER: string = `(${ENTER}
${COPY}
) || exit
${FINISH}`;

/** Begins, and goes on without having been told to where the release before is the one that was planned with. */
export const AT_ONCE: string = `umask 022
told=$( (${BEGIN}
) </dev/null) || { s=$?; printf '%s\\n' "$told"; exit "$s"; }
[ "$told" != 'done' ] || exit 0
[ -z "$BASE" ] || case $told in (*"base $BASE $BASEDIGEST") ;; (*) exit ${REFUSED.otherBase} ;; esac
${ARRIVE}`;

/** Removes what this run uploaded, unless it is live or the way back from it is not done. Prints what it found. */
export const REMOVE: string = `
[ -f "$P/.lockstep/layout" ] || { echo absent; exit 0; }
${OWNED}${DISCARD}${UNSETTLED}
look
if [ "$run" != "$RUN" ]; then echo absent; exit 0; fi
if [ "$(linked)" = "releases/$ID" ]; then echo live; exit 0; fi
if unsettled; then echo unsettled; exit 0; fi
discard
echo removed`;
