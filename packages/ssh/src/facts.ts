import type { Live, Stamp, TargetContext } from "@lockstep/plugin";
import { currentForeign, layoutUnknown, remoteFailed } from "./errors.ts";
import type { RemoteHost } from "./host.ts";
import { foreignReleaseOf, LAYOUT_VERSION, orderOf, parseStamp, releaseOf } from "./layout.ts";
import { rememberStamps } from "./signs.ts";

/** What the meta of a release says. */
export interface MetaFacts {
  readonly id: string;
  readonly state: string;
  /** The run that uploaded it. */
  readonly run: string;
  /** Digest of its manifest. */
  readonly digest: string;
  /** False when the tree is gone. */
  readonly hasTree: boolean;
  /** Names what it was furnished with; `-` for nothing. */
  readonly key: string;
  /** Stands for the values of its variables; `-` for none. */
  readonly seal: string;
}

/** What one request finds out about a host. */
export interface HostFacts {
  readonly missingTools: readonly string[];
  /** Programs that a deploy does without, but is faster with. */
  readonly tools: readonly string[];
  readonly user: string;
  readonly group: string;
  readonly path: "writable" | "creatable" | "denied";
  /** Version of the layout; undefined when there is none. */
  readonly layout: string | undefined;
  readonly current:
    | { readonly kind: "none" }
    | { readonly kind: "other" }
    | { readonly kind: "link"; readonly text: string; readonly resolves: boolean };
  /** More than one only while a first fence is under way or was cut off. */
  readonly stamps: readonly Stamp[];
  readonly releases: readonly MetaFacts[];
  readonly log: readonly string[];
  /** File systems of the path and of the folders in it that must be on the same. */
  readonly disks: readonly { readonly freeBytes: number; readonly mount: string }[];
  /** Files that can still be made; undefined where the file system has no bound, or does not tell. */
  readonly freeInodes: number | undefined;
}

/** Bytes of an answer: 20,000 releases and log lines fit. */
const OUTPUT_BYTES = 4_194_304;

/** Few programs are started: each costs a host milliseconds, and this is asked several times in a run. */
const SCRIPT = `
for t in tar sha256sum mkdir mv ln rm rmdir cat find readlink tail sync sed sort uniq xargs tr cmp ls date; do
  command -v "$t" >/dev/null 2>&1 || printf 'missing %s\\n' "$t"
done
for t in zstd gzip gunzip; do if command -v "$t" >/dev/null 2>&1; then printf 'tool %s\\n' "$t"; fi; done
printf 'id '; id
d=$P
while [ ! -e "$d" ] && [ ! -L "$d" ]; do d=\${d%/*}; d=\${d:-/}; done
if [ -d "$d" ] && [ -w "$d" ] && [ -x "$d" ]; then
  if [ "$d" = "$P" ]; then echo 'path writable'; else echo 'path creatable'; fi
else echo 'path denied'
fi
set -- "$d"
if [ -d "$P/.lockstep" ]; then set -- "$d" "$P/.lockstep" "$P/releases"; fi
df -Pk "$@" 2>/dev/null | sed '1d;s/^/disk /'
df -Pi "$d" 2>/dev/null | sed '1d;s/^/inodes /'
[ -d "$P" ] && cd "$P" || exit 0
if [ -L current ]; then
  if [ -e current ]; then echo 'resolves yes'; fi
  printf 'link %s\\n' "$(readlink current)"
elif [ -e current ]; then echo 'other yes'
fi
[ -d .lockstep ] && cd .lockstep || exit 0
if [ -f layout ] && read -r l <layout; then printf 'layout %s\\n' "$l"; fi
for d in fence/*; do if [ -d "$d" ]; then printf 'stamp %s\\n' "\${d#fence/}"; fi; done
for d in meta/*; do
  [ -d "$d" ] || continue
  id=\${d#meta/} state=- run=- digest=- tree=gone key=- seal=-
  { read -r state <"$d/state"; read -r run <"$d/run"; read -r digest <"$d/digest"; } 2>/dev/null
  [ -d "../releases/$id" ] && tree=there
  [ -f "$d/furnished" ] && { read -r key; read -r seal; } 2>/dev/null <"$d/furnished"
  set -- "$id" "\${state:--}" "\${run:--}" "\${digest:--}" "$tree" "\${key:--}" "\${seal:--}"
  echo "release $*"
done
[ -f log ] && tail -n 1000 log | sed 's/^/log /'
exit 0`;

/** Reads everything that plans and reports need of a host, in one round trip. Changes nothing. */
export async function readFacts(
  ctx: TargetContext,
  host: RemoteHost,
  path: string,
): Promise<HostFacts> {
  const script = { text: SCRIPT, values: { P: path } };
  const ran = await host.run(ctx, script, {
    outputBytes: OUTPUT_BYTES,
    timeoutMs: 60_000,
    isLook: true,
  });
  if (ran.status !== 0) throw remoteFailed(host, "Looking at the path", ran);
  const facts = parseFacts(ran.stdout);
  rememberStamps(host, facts.stamps);
  return facts;
}

/** The facts in the lines a host printed; lines it does not know are skipped. */
export function parseFacts(output: string): HostFacts {
  const lines = output.split("\n").map((line) => {
    const space = line.indexOf(" ");
    return { key: line.slice(0, space), value: line.slice(space + 1) };
  });
  const all = (key: string): string[] =>
    lines.flatMap((line) => (line.key === key ? [line.value] : []));
  const [link] = all("link");
  const [path = "denied"] = all("path");
  return {
    missingTools: all("missing"),
    tools: all("tool"),
    ...parseIdentity(all("id")[0]),
    path: path === "writable" || path === "creatable" ? path : "denied",
    layout: all("layout")[0],
    current:
      link === undefined
        ? all("other").length > 0
          ? { kind: "other" }
          : { kind: "none" }
        : { kind: "link", text: link, resolves: all("resolves").length > 0 },
    stamps: all("stamp").flatMap((name) => parseStamp(name) ?? []),
    releases: all("release").map((value) => parseMeta(value)),
    log: all("log"),
    disks: all("disk").flatMap((line) => parseDisk(line) ?? []),
    freeInodes: parseInodes(all("inodes")[0]),
  };
}

/** @see POSIX.1-2024, id, "STDOUT": names stand in parentheses, and are left out where there are none */
function parseIdentity(text = ""): Pick<HostFacts, "user" | "group"> {
  const nameOf = (kind: string): string => {
    const { id = "", name = id } =
      new RegExp(`(^|\\s)${kind}=(?<id>\\d+)(\\((?<name>[^)]+)\\))?`).exec(text)?.groups ?? {};
    return name;
  };
  return { user: nameOf("uid"), group: nameOf("gid") };
}

function parseMeta(value: string): MetaFacts {
  const [id = "", state = "", run = "", digest = "", tree = "", key = "-", seal = "-"] =
    value.split(" ");
  return { id, state, run, digest, hasTree: tree === "there", key, seal };
}

/** @see POSIX.1-2024, df, "-P": name, total, used, available in KiB, capacity, mount point */
function parseDisk(line: string): { freeBytes: number; mount: string } | undefined {
  const found = /\s\d+\s+\d+\s+(?<free>\d+)\s+\d+%\s+(?<mount>.+)$/.exec(line)?.groups;
  if (found === undefined) return undefined;
  return { freeBytes: Number(found["free"]) * 1024, mount: found["mount"] ?? "" };
}

/** Total, used and free, as GNU and busybox print them; file systems without a bound say 0. */
function parseInodes(line = ""): number | undefined {
  const found = /\s(?<total>\d+)\s+\d+\s+(?<free>\d+)\s+\d+%\s/.exec(line)?.groups;
  return found === undefined || found["total"] === "0" ? undefined : Number(found["free"]);
}

/** A release by the name this target gives it: the same id and digest on every host. */
export type Ref = { readonly release: string; readonly digest: string };

/**
 * What serves on a host and what it could return to.
 *
 * @throws {LockstepError} `SSH_CURRENT_FOREIGN` when `current` is not a link to a release of ours,
 *   `SSH_LAYOUT_UNKNOWN` when the layout is of another version
 */
export function liveOf(
  host: RemoteHost,
  facts: HostFacts,
  { path, adopt }: { readonly path: string; readonly adopt: boolean },
): Live & { readonly ref: Ref | null } {
  const { layout, stamps } = facts;
  if (layout !== undefined && layout !== LAYOUT_VERSION) {
    throw layoutUnknown(host, JSON.stringify(layout));
  }
  const foreign = foreignRefOf(facts, path);
  const ref = (adopt ? foreign : undefined) ?? liveRefOf(host, facts, foreign !== undefined);
  const stamp = stamps.reduce<Stamp | undefined>(
    (best, one) => (best === undefined || one.epoch > best.epoch ? one : best),
    undefined,
  );
  return {
    unit: host.name,
    ref,
    kept: keptOf(facts).filter(({ release }) => release !== ref?.release),
    ...(stamp === undefined ? {} : { stamp }),
  };
}

/** State of a release of another tool, and what stands for its digest: nobody digested it. */
const ADOPTED = "adopted";

/** States of releases that can be live. */
const GOOD: ReadonlySet<string> = new Set(["ready", ADOPTED]);

/** Complete releases that were live at some time, the latest first; the live one may be among them. */
export function keptOf({ releases, log }: HostFacts): Ref[] {
  return orderOf(log).flatMap((id) => {
    const meta = releases.find((one) => one.id === id);
    if (meta === undefined || !GOOD.has(meta.state) || !meta.hasTree) return [];
    return [{ release: id, digest: meta.digest }];
  });
}

/** What another tool made live; undefined when it is ours, or is not below `releases`. */
function foreignRefOf({ current, releases }: HostFacts, path: string): Ref | undefined {
  if (current.kind !== "link" || !current.resolves) return undefined;
  const id = foreignReleaseOf(current.text, path);
  const isOurs = releases.some((one) => one.id === id && one.state !== ADOPTED);
  return id === undefined || isOurs ? undefined : { release: id, digest: ADOPTED };
}

function liveRefOf(
  host: RemoteHost,
  { current, layout, releases }: HostFacts,
  adoptable: boolean,
): Ref | null {
  if (current.kind === "none") return null;
  if (current.kind === "other") throw currentForeign(host, "is not a symbolic link");
  const { text, resolves } = current;
  if (layout === undefined) {
    const what = `points at ${text}, and nothing here was laid out by Lockstep`;
    throw currentForeign(host, what, adoptable);
  }
  const id = releaseOf(text);
  const meta = releases.find((one) => one.id === id);
  if (id === undefined) {
    throw currentForeign(host, `points at ${text}, outside of releases/`, adoptable);
  }
  if (!resolves) throw currentForeign(host, `points at ${text}, which is not there`);
  if (meta === undefined) {
    throw currentForeign(host, `points at ${text}, which Lockstep did not upload`, adoptable);
  }
  return { release: id, digest: meta.digest };
}
