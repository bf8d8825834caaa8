import type { Stamp, WriteContext } from "@lockstep/plugin";
import { eachHost, type SshConnection } from "./connection.ts";
import { hostHeld } from "./errors.ts";
import { LEASE_SECONDS } from "./heartbeat.ts";
import { stampName } from "./layout.ts";
import { parseSigns, SIGNS, stampsSeen } from "./signs.ts";

/**
 * Refuses to take any host over from another store while a run is at work on one of them, before the first stamp is
 * set: a host beside it would have lost the store it belongs to for nothing. Each host is asked again with its stamp.
 *
 * Asks nothing where the hosts were this store's when they were looked at.
 *
 * @throws {AggregateError} of `SSH_HOST_HELD` for each such host
 */
export async function refuseHeld(
  ctx: WriteContext<SshConnection>,
  stamp: Stamp,
  path: string,
): Promise<void> {
  const { connection } = ctx;
  const isForeign = ({ lineage }: Stamp): boolean => lineage !== stamp.lineage;
  const isTaking = connection.hosts.some((host) => stampsSeen(host).some(isForeign));
  if (!isTaking) return;
  await eachHost(connection, ctx, async (host) => {
    const mine = connection.heartbeats.stampOn(host);
    const ran = await host.run(ctx, { text: SIGNS, values: { P: path } }).catch(() => undefined);
    const rival = parseSigns(ran?.stdout ?? "").find(
      ({ stamp: found }) => isForeign(found) && stampName(found) !== mine,
    );
    // what else is wrong with a host is told by the one that sets its stamp
    if (rival !== undefined) throw hostHeld(host, rival.heldBy, LEASE_SECONDS);
  });
}
