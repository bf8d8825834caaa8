import {
  type Artifact,
  compareManifests,
  type Manifest,
  manifestDigest,
  parseManifest,
} from "@lockstep/artifact";
import type { Change, TargetContext } from "@lockstep/plugin";
import type { SshConnection } from "./connection.ts";
import type { HostFacts, Ref } from "./facts.ts";
import type { RemoteHost } from "./host.ts";

/** What planning knows of one host. */
export interface HostPlan {
  readonly host: RemoteHost;
  readonly facts: HostFacts;
  readonly live: Ref | null;
}

/** Bytes of a manifest that are read: a million short paths. */
const MANIFEST_BYTES = 134_217_728;

const READ = 'cat "$P/.lockstep/meta/$ID/manifest"';

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

/** The manifest of what is live; empty where it is gone or altered, so that everything counts as added. */
async function liveManifest(
  ctx: TargetContext & { readonly connection: SshConnection },
  having: readonly HostPlan[],
): Promise<Manifest> {
  const [one] = having;
  if (one === undefined || one.live === null) return [];
  const { release, digest } = one.live;
  const values = { P: ctx.connection.settings.path, ID: release };
  const ran = await one.host.run(ctx, { text: READ, values }, { outputBytes: MANIFEST_BYTES });
  if (ran.status !== 0) return [];
  try {
    const manifest = parseManifest(ran.stdout);
    return manifestDigest(manifest) === digest ? manifest : [];
  } catch {
    return [];
  }
}
