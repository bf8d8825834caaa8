import { type Artifact, compareManifests, type Manifest } from "@lockstep/artifact";
import type { Change, TargetContext } from "@lockstep/plugin";
import type { SshConnection } from "./connection.ts";
import type { HostFacts, Ref } from "./facts.ts";
import { differenceOf, furnishInput, wantedValues } from "./furnishing.ts";
import type { RemoteHost } from "./host.ts";
import { readManifest } from "./manifests.ts";

/** What planning knows of one host. */
export interface HostPlan {
  readonly host: RemoteHost;
  readonly facts: HostFacts;
  readonly live: Ref | null;
}

/**
 * What will differ for users, host by host where the hosts differ. The manifest of each live content is
 * read from one host only.
 */
export async function changesOf(
  ctx: TargetContext & { readonly connection: SshConnection },
  hosts: readonly HostPlan[],
  artifact: Artifact,
): Promise<{ readonly changes: readonly Change[]; readonly unchanged: number }> {
  const digests = [...new Set(hosts.map(({ live }) => live?.digest))];
  const compared = await Promise.all(
    digests.map(async (digest) => {
      const having = hosts.filter(({ live }) => live?.digest === digest);
      const before =
        digest === artifact.digest ? artifact.manifest : await liveManifest(ctx, having);
      const { changes, unchanged } = compareManifests(before, artifact.manifest);
      return { having, changes, unchanged };
    }),
  );
  const [first] = compared;
  if (first !== undefined && compared.length === 1) {
    return { changes: first.changes, unchanged: first.unchanged };
  }
  return {
    changes: compared.flatMap(({ having, changes }) =>
      having.flatMap(({ host }) => changes.map((change) => ({ ...change, unit: host.name }))),
    ),
    unchanged: compared.reduce((sum, { having, unchanged }) => sum + having.length * unchanged, 0),
  };
}

/**
 * Asks for what is live before it is known whether it is another content than the one that is to be: the source is
 * being read meanwhile.
 */
export function readBefore(
  ctx: TargetContext & { readonly connection: SshConnection },
  hosts: readonly HostPlan[],
): Promise<Manifest> {
  return liveManifest(ctx, hosts);
}

/** The manifest of what is live; empty where it is gone or altered, so that everything counts as added. */
async function liveManifest(
  ctx: TargetContext & { readonly connection: SshConnection },
  [one]: readonly HostPlan[],
): Promise<Manifest> {
  return one === undefined || one.live === null ? [] : readManifest(ctx, one.host, one.live);
}

/** Hosts whose live release is furnished otherwise than it would be now, and with what. */
export async function furnishingsOf(
  ctx: TargetContext & { readonly connection: SshConnection },
  hosts: readonly HostPlan[],
): Promise<ReadonlyMap<RemoteHost, string>> {
  const values = await wantedValues(ctx);
  const found = hosts.flatMap(({ host, facts, live }) => {
    const meta = facts.releases.find(({ id }) => id === live?.release);
    if (meta === undefined) return [];
    const input = furnishInput(ctx.connection.settings, meta.id);
    const difference = differenceOf(meta, input, values);
    return difference === undefined ? [] : [[host, difference] as const];
  });
  return new Map(found);
}

/** One line for each thing that releases are furnished with otherwise, for each host where the hosts differ. */
export function furnishingChanges(
  hosts: readonly HostPlan[],
  furnishings: ReadonlyMap<RemoteHost, string>,
): Change[] {
  const line = (what: string): Change => ({ action: "change", what, reason: "content" });
  const all = hosts.map(({ host }) => furnishings.get(host));
  const [first] = all;
  if (first !== undefined && all.every((one) => one === first)) return [line(first)];
  return [...furnishings].map(([host, what]) => ({ ...line(what), unit: host.name }));
}
