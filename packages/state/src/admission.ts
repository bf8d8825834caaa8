import type { Release, Store } from "@lockstep/plugin";
import { newerIsLive, releaseQuarantined } from "./errors.ts";
import { lastCommit } from "./history.ts";
import { reachable } from "./reachable.ts";

/** What a release is admitted to. */
export interface Admission {
  readonly store: Store;
  readonly environment: string;
  /** Deploy it although a newer one is live. */
  readonly allowOlder: boolean;
}

/**
 * Refuses a release that failed here before, and one that is older than what is live: of two CI jobs that end
 * in the wrong order, the newer build stays.
 *
 * @throws {LockstepError} `RELEASE_QUARANTINED`, `NEWER_IS_LIVE`, `STORE_UNREACHABLE`
 */
export async function admit(release: Release, admission: Admission): Promise<void> {
  const { store, environment, allowOlder } = admission;
  const mark = await reachable(store, () => store.get(markKey(environment, release.id)));
  if (mark !== undefined) {
    throw releaseQuarantined(environment, release.id, Buffer.from(mark.body).toString().trim());
  }
  const live = (await lastCommit(store, environment))?.release;
  if (allowOlder || live?.order === undefined || release.order === undefined) return;
  if (release.order < live.order) throw newerIsLive(environment, release, live);
}

/** Keeps a release from being deployed again; `why` is one sentence for people. */
export async function quarantine(
  store: Store,
  { environment, release, why }: { environment: string; release: string; why: string },
): Promise<void> {
  await reachable(store, () =>
    store.create(markKey(environment, release), Buffer.from(`${why}\n`)),
  );
}

function markKey(environment: string, release: string): string {
  return `quarantine/${environment}/${release}`;
}
