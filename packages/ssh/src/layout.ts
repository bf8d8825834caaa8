import type { Stamp } from "@lockstep/plugin";

/**
 * What is where below the path of a target. The only place that knows the names.
 *
 * ```text
 * current                        link to releases/<id>: what users get
 * releases/<id>/                 one release
 * .lockstep/layout               "1"; there when the rest is
 * shared/                        what outlives releases
 * .lockstep/meta/<id>/           run, digest, attempt, state (staging, ready or adopted), manifest, furnished,
 *                                activating, drained, watch, once.<task>
 * .lockstep/fence/<stamp>/       one directory, named after the run that may write; .hb: its last sign of life
 * .lockstep/log                  which releases were live, in order
 * .lockstep/trash/               on its way out, and what is not complete yet
 * ```
 *
 * A tree of ours always has its meta: meta is made first and moved away last, so that whatever a killed
 * run left behind can be told from what others made.
 */
export const LAYOUT_VERSION = "1";

/** Statuses by which scripts say why they wrote nothing; far from those of shells and tools. */
export const REFUSED: {
  readonly fenced: 70;
  readonly conflict: 71;
  readonly notReady: 72;
  readonly absent: 73;
  readonly incomplete: 74;
  readonly wentBack: 76;
  readonly otherBase: 77;
} = {
  /** The run's stamp is not on the host: another run took over, or the layout is gone. */
  fenced: 70,
  /** Neither what was seen before nor our own result was found; it is on stdout. */
  conflict: 71,
  /** The release is not complete. */
  notReady: 72,
  /** What an operator has to provide is not there; its path is on stdout. */
  absent: 73,
  /** What arrived is not what was sent; the reason is on stderr. */
  incomplete: 74,
  /** Nobody confirmed in time, and the host went back by itself. */
  wentBack: 76,
  /** The release before is another one than was planned with; the tree is there, and empty. */
  otherBase: 77,
};

/** What scripts print for a `current` that is no link. */
export const NOT_A_LINK = "(not a link)";

/** Prints where `current` points, nothing when there is none. */
export const LINKED: string = `
linked() {
  if [ -L current ]; then readlink current
  elif [ -e current ]; then echo '${NOT_A_LINK}'
  fi
}`;

/**
 * Whether the run has still to put back what follows the link, or to take the host into use again: then what it
 * needs for that stays.
 */
export const UNSETTLED: string = `
unsettled() {
  for m in activating drained; do
    marker=; [ -f "$S/meta/$ID/$m" ] && read -r marker <"$S/meta/$ID/$m"
    [ "$marker" != "$RUN" ] || return 0
  done
  return 1
}`;

/** First lines of every script that writes: they end it unless the run still owns the host. */
export const OWNED: string = `${LINKED}
cd "$P" || exit
S=.lockstep
owned() { [ -d "$S/fence/$STAMP" ] || exit ${REFUSED.fenced}; }
owned
# flushes the file system of the path, or all of them where sync takes no path
flush() { sync -f . 2>/dev/null || sync; }`;

/** Name of the directory that stands for a stamp. */
export function stampName({ lineage, epoch, run }: Stamp): string {
  return `${lineage}.${epoch}.${run}`;
}

/** The stamp a directory stands for; undefined for any other name. */
export function parseStamp(name: string): Stamp | undefined {
  const found = /^(?<lineage>[0-9A-Za-z_-]+)\.(?<epoch>[0-9]+)\.(?<run>[0-9A-Za-z._-]+)$/.exec(
    name,
  );
  const { lineage, epoch, run } = found?.groups ?? {};
  if (lineage === undefined || epoch === undefined || run === undefined) return undefined;
  return { lineage, epoch: Number(epoch), run };
}

/** The text of `current` when a release is live. */
export function linkTo(release: string): string {
  return `releases/${release}`;
}

/** The release a link text names; undefined when it points anywhere else. */
export function releaseOf(link: string): string | undefined {
  return /^releases\/(?<id>[0-9A-Za-z_][0-9A-Za-z._-]*)$/.exec(link)?.groups?.["id"];
}

/** The release of another tool that a link text names: below `releases`, relative or with the path before it. */
export function foreignReleaseOf(link: string, path: string): string | undefined {
  const prefix = `${path}/`;
  return releaseOf(link.startsWith(prefix) ? link.slice(prefix.length) : link);
}

/**
 * The releases that were live, the latest first, each once.
 *
 * A line `live ID RUN` says that the run made the release live (or, with the run `-`, that it found it
 * live); `undo - RUN` that the run put back what it did. Lines that are torn or unknown count for nothing.
 */
export function orderOf(log: readonly string[]): string[] {
  const entries = log.map((line) => line.split(" "));
  const isUndone = (run: string | undefined, index: number): boolean =>
    entries.some(([verb, , other], later) => later > index && verb === "undo" && other === run);
  const live = entries.flatMap(([verb, id, run], index) =>
    verb === "live" && id !== undefined && id !== "" && !isUndone(run, index) ? [id] : [],
  );
  return [...new Set(live.toReversed())];
}
