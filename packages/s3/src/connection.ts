import type { TargetContext } from "@lockstep/plugin";
import { openBucket } from "./aws-bucket.ts";
import type { Bucket } from "./bucket.ts";
import { type Control, openControl } from "./control.ts";
import { releaseGone } from "./errors.ts";
import { type Layout, layoutOf } from "./layout.ts";
import type { S3Settings } from "./options.ts";
import { decidesWrites } from "./probe/capabilities.ts";
import { probe } from "./probe/probe.ts";
import { decodeRelease, type KeptRelease } from "./release.ts";
import type { Site } from "./site.ts";

/** What the calls of one run share. */
export interface S3Connection extends AsyncDisposable {
  readonly settings: S3Settings;
  readonly bucket: Bucket;
  readonly layout: Layout;
  /** Which release is live. */
  readonly control: Control;
  /**
   * A release by its name.
   *
   * @throws {LockstepError} `S3_RELEASE_GONE` when its manifest is not there, `S3_MANIFEST`
   */
  release(ref: string, signal?: AbortSignal): Promise<KeptRelease>;
  /** Tells whether the manifest of a release is there. */
  isStaged(ref: string, signal?: AbortSignal): Promise<boolean>;
  /** Tries the server out: whether it keeps the conditions of writes. Writes and removes a few small objects. */
  conditions(ctx: TargetContext): Promise<"obeyed" | "ignored">;
  /** Keeps a release that was made or stored here. */
  remember(release: KeptRelease): void;
  /** The site that was read last, so that what was planned is not read twice. */
  site: Site | undefined;
}

/** Prepares a connection. Loads the SDK; opens no socket. */
export async function openConnection(
  settings: S3Settings,
  ctx: TargetContext,
): Promise<S3Connection> {
  const bucket = await openBucket(settings.bucket, ctx, settings.limits);
  const layout = layoutOf(settings);
  const known = new Map<string, KeptRelease>();
  const find = async (ref: string, signal?: AbortSignal): Promise<KeptRelease | undefined> => {
    const release = known.get(ref);
    if (release !== undefined) return release;
    const key = layout.release(ref);
    const found = await bucket.get(key, { signal });
    if (found === undefined) return undefined;
    const read = decodeRelease(key, ref, found.body);
    known.set(ref, read);
    return read;
  };
  return {
    settings,
    bucket,
    layout,
    control: openControl(bucket, layout.current),
    site: undefined,
    remember: (release) => void known.set(release.ref, release),
    async conditions({ env, secret, random }) {
      const surroundings = { env, secret, random };
      const found = await probe(bucket, {
        settings: settings.bucket,
        surroundings,
        limits: settings.limits,
        prefix: settings.state,
      });
      return decidesWrites(found) ? "obeyed" : "ignored";
    },
    isStaged: async (ref, signal) => (await find(ref, signal)) !== undefined,
    async release(ref, signal) {
      const release = await find(ref, signal);
      if (release === undefined) throw releaseGone(ref, "its manifest");
      return release;
    },
    [Symbol.asyncDispose]: () => bucket[Symbol.asyncDispose](),
  };
}
