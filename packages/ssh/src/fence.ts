import { fenced, type LockstepError, type Stamp, type TargetContext } from "@lockstep/plugin";
import { hostHeld, layoutUnknown, remoteFailed } from "./errors.ts";
import { READ, SET } from "./fence-scripts.ts";
import { aboutRelease, foretell } from "./foretold.ts";
import { newNonce } from "./framing.ts";
import { type Heartbeats, holderLine, LEASE_SECONDS } from "./heartbeat.ts";
import type { RemoteHost } from "./host.ts";
import { LAYOUT_VERSION, parseStamp, stampName } from "./layout.ts";
import type { Script } from "./shell.ts";
import { startOn } from "./start.ts";

/** How often a stamp that changes under our hands is read anew. */
const TRIES = 8;

/** What a run takes a host with. */
interface Taking {
  readonly path: string;
  readonly stamp: Stamp;
  readonly heartbeats: Heartbeats;
}

/**
 * Makes a host refuse every older run, and gives signs of life on it from then on; lays it out when nothing is there
 * yet. May run twice.
 *
 * @throws {LockstepError} `FENCED` when the host carries a newer stamp of this lineage, or another run's of
 *   the same epoch; `SSH_HOST_HELD` when a run of another lineage is alive; `SSH_LAYOUT_UNKNOWN`,
 *   `SSH_REMOTE_FAILED`, `SSH_DISK_FULL`
 */
export async function fenceHost(
  ctx: TargetContext,
  host: RemoteHost,
  { path, stamp, heartbeats }: Taking,
): Promise<void> {
  const holder = holderLine(ctx, stamp);
  const release = startOn(host)?.release ?? "";
  const values = {
    VERSION: LAYOUT_VERSION,
    LINEAGE: stamp.lineage,
    EPOCH: `${stamp.epoch}`,
    P: path,
    ID: release,
    NEW: stampName(stamp),
    MINE: heartbeats.stampOn(host),
    HOLDER: holder,
    LEASE: `${LEASE_SECONDS}`,
  };
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const script = { text: SET, values: { ...values, N: newNonce() } };
    const { version, stamps, heldBy, had } = await askStamps(ctx, host, script);
    if (version !== LAYOUT_VERSION) throw layoutUnknown(host, JSON.stringify(version));
    for (const found of stamps) refuseNewer(host, stamp, found);
    const [first, second] = stamps;
    if (second !== undefined) throw layoutUnknown(host, "one with two stamps");
    if (heldBy !== undefined) throw hostHeld(host, heldBy, LEASE_SECONDS);
    if (first !== undefined && stampName(first) === stampName(stamp)) {
      heartbeats.hold(host, { path, stamp, holder });
      if (had !== undefined) foretell(host, aboutRelease(path, release), had);
      return;
    }
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

interface Asked {
  readonly version: string;
  readonly stamps: readonly Stamp[];
  /** The last sign of life of the run that has the host: its age in seconds, then who gave it. */
  readonly heldBy: string | undefined;
  /** What there is of the release that was asked about: `state run`, or nothing. */
  readonly had: string | undefined;
}

async function askStamps(ctx: TargetContext, host: RemoteHost, script: Script): Promise<Asked> {
  const ran = await host.run(ctx, script);
  if (ran.status !== 0) throw remoteFailed(host, "Setting the stamp", ran);
  const [version = "", ...lines] = ran.stdout.split("\n");
  const after = (key: string): string | undefined =>
    lines.find((line) => line.startsWith(key))?.slice(key.length);
  const stamps = lines.flatMap((line) => parseStamp(line) ?? []);
  return { version, stamps, heldBy: after(HELD), had: after(HAD) };
}

/** Begins the line about a run that is alive; a stamp has no space. */
const HELD = "held ";

/** Begins the line about a release. */
const HAD = "had ";

/** Runs of another lineage cannot be compared: whether they may be taken over was decided before, and on the host. */
function refuseNewer(host: RemoteHost, ours: Stamp, found: Stamp): void {
  if (found.lineage !== ours.lineage) return;
  const isNewer = found.epoch > ours.epoch;
  const isRival = found.epoch === ours.epoch && found.run !== ours.run;
  if (isNewer || isRival) {
    throw fenced(host.place, { ours: ours.epoch, found: found.epoch });
  }
}
