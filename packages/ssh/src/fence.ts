import { fenced, type LockstepError, type Stamp, type TargetContext } from "@lockstep/plugin";
import { layoutUnknown, remoteFailed } from "./errors.ts";
import { newNonce } from "./framing.ts";
import type { RemoteHost } from "./host.ts";
import { LAYOUT_VERSION, parseStamp, stampName } from "./layout.ts";
import type { Script } from "./shell.ts";

/** How often a stamp that changes under our hands is read anew. */
const TRIES = 8;

const READ = `
told() { read -r l <layout || exit
  printf '%s\\n' "$l"
  for d in fence/*; do if [ -d "$d" ]; then printf '%s\\n' "\${d#fence/}"; fi; done
}
cd "$P/.lockstep" || exit`;

/**
 * Lays out what is missing, sets the stamp where no newer one is, and tells what is there then: all in one round
 * trip. Each line may be the last that ran.
 *
 * Folders: all lines do nothing the second time, and \`layout\` is renamed into place, complete, after the
 * folders it speaks of.
 *
 * The first stamp: the folder arrives with the stamp in it. rename(2) of a directory over one that is not
 * empty fails, and \`fence\` never is: of any number of first runs one wins.
 *
 * Every other: compare-and-set, because the rename fails when the old name is gone. What an older run prepared in
 * its directory moves along, so that its own paths to it lead nowhere. Runs of another lineage cannot be compared:
 * whether they may be taken over was decided before.
 */
const SET = `
umask 022
mkdir -p "$P" && cd "$P" || exit
if [ ! -f .lockstep/layout ]; then
  mkdir -p releases .lockstep/meta .lockstep/trash && mkdir ".lockstep/trash/$N" || exit
  printf '%s\\n' "$VERSION" >".lockstep/trash/$N/layout" || exit
  mv -f ".lockstep/trash/$N/layout" .lockstep/ && rmdir ".lockstep/trash/$N" || exit
fi
${READ}
flush() { sync -f . 2>/dev/null || sync; }
read -r l <layout || exit
found= count=0
for d in fence/*; do
  d=\${d#fence/} rest=\${d#*.}
  case $d in (*.*.*) ;; (*) continue ;; esac
  case \${rest%%.*} in (''|*[!0-9]*) continue ;; esac
  found=$d count=$((count + 1))
done
if [ "$l" != "$VERSION" ] || [ "$count" -gt 1 ] || [ "$found" = "$NEW" ]; then :
elif [ "$count" = 0 ]; then
  mkdir "trash/$N" "trash/$N/fence" "trash/$N/fence/$NEW" && mv -f "trash/$N/fence" . && flush
else
  rest=\${found#*.}
  if [ "\${found%%.*}" != "$LINEAGE" ] || [ "\${rest%%.*}" -lt "$EPOCH" ]; then
    [ -e "fence/$NEW" ] || { mv "fence/$found" "fence/$NEW" && flush; }
  fi
fi
told`;

/**
 * Makes a host refuse every older run; lays it out when nothing is there yet. May run twice.
 *
 * @throws {LockstepError} `FENCED` when the host carries a newer stamp of this lineage, or another run's of
 *   the same epoch; `SSH_LAYOUT_UNKNOWN`, `SSH_REMOTE_FAILED`, `SSH_DISK_FULL`
 */
export async function fenceHost(
  ctx: TargetContext,
  host: RemoteHost,
  { path, stamp }: { readonly path: string; readonly stamp: Stamp },
): Promise<void> {
  const { lineage, epoch } = stamp;
  const values = { VERSION: LAYOUT_VERSION, LINEAGE: lineage, EPOCH: `${epoch}` };
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const more = { ...values, P: path, N: newNonce(), NEW: stampName(stamp) };
    const { version, stamps } = await askStamps(ctx, host, { text: SET, values: more });
    if (version !== LAYOUT_VERSION) throw layoutUnknown(host, JSON.stringify(version));
    for (const found of stamps) refuseNewer(host, stamp, found);
    const [first, second] = stamps;
    if (second !== undefined) throw layoutUnknown(host, "one with two stamps");
    if (first !== undefined && stampName(first) === stampName(stamp)) return;
    // another run was faster: what it left is compared anew
  }
  throw layoutUnknown(host, "one whose stamp cannot be set");
}

/** Why a script that found the stamp of its run gone wrote nothing; undefined when the stamp is there. */
export async function whyFenced(
  ctx: TargetContext,
  host: RemoteHost,
  { path, stamp }: { readonly path: string; readonly stamp: Stamp },
): Promise<LockstepError | undefined> {
  const script = { text: `${READ}\ntold`, values: { P: path } };
  const { stamps } = await askStamps(ctx, host, script);
  if (stamps.some((found) => stampName(found) === stampName(stamp))) return undefined;
  const found = Math.max(0, ...stamps.map(({ epoch }) => epoch));
  return fenced(host.place, { ours: stamp.epoch, found });
}

async function askStamps(
  ctx: TargetContext,
  host: RemoteHost,
  script: Script,
): Promise<{ readonly version: string; readonly stamps: readonly Stamp[] }> {
  const ran = await host.run(ctx, script);
  if (ran.status !== 0) throw remoteFailed(host, "Setting the stamp", ran);
  const [version = "", ...names] = ran.stdout.split("\n");
  return { version, stamps: names.flatMap((name) => parseStamp(name) ?? []) };
}

/** Runs of another lineage cannot be compared: whether they may be taken over was decided before. */
function refuseNewer(host: RemoteHost, ours: Stamp, found: Stamp): void {
  if (found.lineage !== ours.lineage) return;
  const isNewer = found.epoch > ours.epoch;
  const isRival = found.epoch === ours.epoch && found.run !== ours.run;
  if (isNewer || isRival) {
    throw fenced(host.place, { ours: ours.epoch, found: found.epoch });
  }
}
