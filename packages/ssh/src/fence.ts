import { fenced, type LockstepError, type Stamp, type TargetContext } from "@lockstep/plugin";
import { layoutUnknown, remoteFailed } from "./errors.ts";
import { newNonce } from "./framing.ts";
import type { RemoteHost } from "./host.ts";
import { LAYOUT_VERSION, parseStamp, REFUSED, stampName } from "./layout.ts";

/** How often a stamp that changes under our hands is read anew. */
const TRIES = 8;

/**
 * Makes every folder. Each line may be the last that ran: all of them do nothing the second time, and
 * `layout` is renamed into place, complete, after the folders it speaks of.
 */
const LAY_OUT = `
umask 022
mkdir -p "$P" && cd "$P" || exit
[ -f .lockstep/layout ] && exit 0
mkdir -p releases .lockstep/meta .lockstep/trash || exit
mkdir ".lockstep/trash/$N" || exit
printf '%s\\n' "$VERSION" >".lockstep/trash/$N/layout" || exit
mv -f ".lockstep/trash/$N/layout" .lockstep/ && rmdir ".lockstep/trash/$N"`;

const READ = `
cd "$P/.lockstep" || exit
read -r l <layout || exit
printf '%s\\n' "$l"
for d in fence/*; do if [ -d "$d" ]; then printf '%s\\n' "\${d#fence/}"; fi; done
exit 0`;

/**
 * The first stamp: the folder arrives with the stamp in it. rename(2) of a directory over one that is not
 * empty fails, and \`fence\` never is: of any number of first runs one wins.
 */
const FIRST = `
cd "$P/.lockstep" || exit
mkdir "trash/$N" "trash/$N/fence" "trash/$N/fence/$NEW" || exit
mv -f "trash/$N/fence" . && { sync -f . 2>/dev/null || sync; }`;

/**
 * Compare-and-set: the rename fails when the old name is gone. What an older run prepared in its directory
 * moves along, so that its own paths to it lead nowhere.
 */
const NEXT = `
cd "$P/.lockstep/fence" || exit
[ ! -e "$NEW" ] || exit ${REFUSED.conflict}
mv "$OLD" "$NEW" && { sync -f . 2>/dev/null || sync; }`;

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
  await layOut(ctx, host, path);
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const { version, stamps } = await readStamps(ctx, host, path);
    if (version !== LAYOUT_VERSION) throw layoutUnknown(host, JSON.stringify(version));
    for (const found of stamps) refuseNewer(host, stamp, found);
    const [first, second] = stamps;
    if (second !== undefined) throw layoutUnknown(host, "one with two stamps");
    const values = { P: path, N: newNonce(), NEW: stampName(stamp) };
    if (first === undefined) await host.run(ctx, { text: FIRST, values });
    else if (stampName(first) === stampName(stamp)) return;
    else await host.run(ctx, { text: NEXT, values: { ...values, OLD: stampName(first) } });
    // whatever came of it, reading shows
  }
  throw layoutUnknown(host, "one whose stamp cannot be set");
}

/** Why a script that found the stamp of its run gone wrote nothing; undefined when the stamp is there. */
export async function whyFenced(
  ctx: TargetContext,
  host: RemoteHost,
  { path, stamp }: { readonly path: string; readonly stamp: Stamp },
): Promise<LockstepError | undefined> {
  const { stamps } = await readStamps(ctx, host, path);
  if (stamps.some((found) => stampName(found) === stampName(stamp))) return undefined;
  const found = Math.max(0, ...stamps.map(({ epoch }) => epoch));
  return fenced(host.place, { ours: stamp.epoch, found });
}

async function layOut(ctx: TargetContext, host: RemoteHost, path: string): Promise<void> {
  const values = { P: path, N: newNonce(), VERSION: LAYOUT_VERSION };
  const ran = await host.run(ctx, { text: LAY_OUT, values });
  if (ran.status !== 0) throw remoteFailed(host, "Laying out the path", ran);
}

async function readStamps(
  ctx: TargetContext,
  host: RemoteHost,
  path: string,
): Promise<{ readonly version: string; readonly stamps: readonly Stamp[] }> {
  const ran = await host.run(ctx, { text: READ, values: { P: path } });
  if (ran.status !== 0) throw remoteFailed(host, "Reading the stamp", ran);
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
