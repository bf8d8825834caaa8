/**
 * What is where below the path of a store:
 *
 * ```text
 * runs/RUN/00000001       first value of a key; never changes, stays when the key is removed
 * .lease/vN.NONCE/NONCE   the value that came after it, alone in its folder; NONCE is its writer's
 * .lease/vN.NONCE.gone/   the key was removed
 * .aside/                 values on their way in
 * ```
 *
 * A first value appears by link(2), which fails where a name exists. Every later change of a key renames the
 * one folder below `.KEY`: whoever has seen an older name finds nothing to rename, now and for ever, because
 * each name holds the nonce of a writer. So nothing is locked, and no clock is read.
 *
 * Values that the scripts read: P the path, K the key, L its `.KEY`, D its folder, A that folder and all above,
 * N the nonce of the write, all relative to P but P itself.
 */
const PRELUDE = `
umask 077
cd "$P" || exit
# fsync where sync takes names, else everything
flush() { sync "$@" 2>/dev/null || sync; }`;

/** Status by which a script says that the value it read was replaced under its hands: ask again. */
export const AGAIN = 75;

/** Most bytes of a value that travel within a request or an answer of the shared shell. */
export const INLINE_BYTES = 65_536;

/** Status by which {@link OPEN} says that the file system cannot hold a store. */
export const UNFIT = 76;

/**
 * Makes the folder, sweeps what killed writers left a day ago, and tries that a name is given only once:
 * some network file systems have no hard links or rename over a folder that is not empty.
 */
export const OPEN: string = `
umask 077
mkdir -p "$P/.aside" && cd "$P" || exit
sync . .. 2>/dev/null || sync
find .aside ! -name .aside -prune -mtime +1 -exec rm -rf {} +
cd .aside && mkdir "$N" "$N/a" "$N/a/t" "$N/a/t/1" "$N/b" "$N/b/t" "$N/b/t/2" || exit
echo 1 >"$N/one" && echo 2 >"$N/two" || exit
ln "$N/one" "$N/name" && ! ln "$N/two" "$N/name" 2>/dev/null && [ "$(cat "$N/name")" = 1 ] \\
  && ! mv -f "$N/a/t" "$N/b/" 2>/dev/null && [ -d "$N/a/t/1" ] && [ ! -d "$N/b/t/1" ]
fit=$?
rm -rf "$N"
[ "$fit" = 0 ] || exit ${UNFIT}`;

/** Sets T to the tag of a key, empty when it was never made, and F to the file with its value, empty when there is none. */
const NEWEST = `
newest() {
  i=0
  while [ "$i" -lt 100 ]; do
    i=$((i + 1)) T= F=
    [ -f "$K" ] || return 0
    if [ ! -d "$L" ]; then T=0 F=$K; return 0; fi
    for d in "$L"/v*; do if [ -d "$d" ]; then T=\${d##*/}; fi; done
    case $T in
      '') continue ;; # renamed while it was listed
      *.gone) return 0 ;;
    esac
    F=$L/$T/\${T#*.}
    if [ -f "$F" ]; then return 0; fi
  done
  exit ${AGAIN}
}`;

/** Prints tag and size of a value, and the value itself when a shell can carry it. */
export const GET: string = `${PRELUDE}${NEWEST}
newest
[ -n "$F" ] || exit 0
n=$(wc -c <"$F") || exit ${AGAIN}
printf '%s %s\\n' "$T" "$((n))"
[ "$n" -le ${INLINE_BYTES} ] || exit 0
c=$(tr -d '\\000' <"$F" | wc -c)
[ "$((c))" -eq "$((n))" ] || exit 0
cat "$F" || exit ${AGAIN}`;

/** Prints the value that has the tag T. */
export const GET_LARGE: string = `${PRELUDE}
if [ "$T" = 0 ]; then F=$K; else F=$L/$T/\${T#*.}; fi
[ -f "$F" ] || exit ${AGAIN}
exec cat "$F"`;

/** Puts a value of SIZE bytes aside: what is in the variable B, or what comes on stdin. May run twice. */
const ASIDE = (write: string): string => `${PRELUDE}
if [ ! -f ".aside/$N" ]; then
  t=.aside/$N.$$
  ${write} >"$t" || exit
  s=$(wc -c <"$t")
  [ "$((s))" -eq "$SIZE" ] || exit ${AGAIN}
  flush "$t" || exit
  ln "$t" ".aside/$N" 2>/dev/null || [ -f ".aside/$N" ] || exit
  rm -f "$t"
fi`;

/** Puts a large value aside. */
export const PUT_LARGE: string = ASIDE("cat");

/**
 * Writes a key whose tag is W, or that has no value when W is empty; the value is in B unless it was put aside
 * before. With S=.gone the key is removed. Prints `won` and the new tag, or `lost` and the
 * tag that was found.
 *
 * May run twice with the same nonce, also side by side: the second one finds what the first one did. A file
 * aside is kept for that, until the writer knows how it ended and names it in DONE.
 */
export const WRITE: string = `${ASIDE('printf %s "$B"')}${NEWEST}
ours() {
  case $T in
    0) [ "$K" -ef ".aside/$N" ] ;;
    v*."$N" | v*."$N.gone") true ;;
    *) false ;;
  esac
}
# the first change of a key: .KEY arrives with its folder in it, and is renamed over nothing but nothing
begin() {
  v=v1.$N$S b=\${L##*/}
  mkdir -p ".aside/$N.d/$b/$v" || exit
  [ -n "$S" ] || [ -f ".aside/$N.d/$b/$v/$N" ] || ln ".aside/$N" ".aside/$N.d/$b/$v/$N" || exit
  flush ".aside/$N.d/$b/$v" ".aside/$N.d/$b"
  mv -f ".aside/$N.d/$b" "$D/" 2>/dev/null
}
change() {
  old=\${T#*.} n=\${T#v}
  n=\${n%%.*}
  v=v$((n + 1)).$N$S
  [ -n "$S" ] || { ln ".aside/$N" "$L/$T/$N" && flush "$L/$T"; } 2>/dev/null || return
  mv "$L/$T" "$L/$v" 2>/dev/null || return
  # only who read the name before still asks for it, and asks again
  rm -f "$L/$v/\${old%.gone}"
}
[ -z "$DONE" ] || (cd .aside && rm -rf $DONE)
mkdir -p "$D" || exit
newest
won=
if ours; then won=1
else
  case $T in
    '') if [ -z "$W" ] && ln ".aside/$N" "$K" 2>/dev/null; then won=1 v=0; fi ;;
    *.gone) if [ -z "$W" ] && change; then won=1; fi ;;
    0) if [ "$W" = 0 ] && begin; then won=1; fi ;;
    "$W") if change; then won=1; fi ;;
  esac
  if [ -n "$won" ]; then T=$v
  else
    newest
    # the same write, sent twice, may have been here first
    if ours; then won=1; fi
  fi
fi
[ -n "$won" ] || { printf 'lost %s\\n' "$T"; exit 0; }
if [ -d "$L" ]; then flush "$L" $A; else flush $A; fi || exit
printf 'won %s\\n' "$T"`;

/** Prints the first values below D, and the folders of keys that were removed; a dot at the end. */
export const LIST: string = `
cd "$P" || exit
if [ -d "$D" ]; then
  find "$D" -name .aside -prune -o -type f ! -path '*/.*' -print -o -type d -name '*.gone' -print 2>/dev/null
fi
echo .`;
