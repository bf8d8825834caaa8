import type { TargetContext } from "@lockstep/plugin";
import { openBucket } from "./aws-bucket.ts";
import type { Bucket } from "./bucket.ts";
import { type Control, openControl } from "./control.ts";
import { releaseGone } from "./errors.ts";
import { type Layout, layoutOf } from "./layout.ts";
import type { S3Settings } from "./options.ts";
import type { SeenConditions } from "./pointer.ts";
import { decidesWrites, stillHolds } from "./probe/capabilities.ts";
import { probe } from "./probe/probe.ts";
import { decodeRelease } from "./release-text.ts";
import type { KeptRelease } from "./release.ts";
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
  /**
   * Whether the server keeps the conditions of writes: what was seen, while it holds, else by trying it out,
   * which writes and removes a few small objects. That they are ignored holds for one run: the server may be repaired.
   */
  conditions(seen: SeenConditions | undefined, ctx: TargetContext): Promise<SeenConditions>;
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
    const read = await decodeRelease(key, ref, found.body);
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
    async conditions(seen, { env, secret, random, now }) {
      const sighting = { server: settings.bucket.endpoint ?? "aws", at: now() };
      if (seen?.verdict === "obeyed" && stillHolds(seen, sighting)) return seen;
      const surroundings = { env, secret, random };
      const found = await probe(bucket, {
        settings: settings.bucket,
        surroundings,
        limits: settings.limits,
        prefix: settings.state,
      });
      const verdict = decidesWrites(found) ? "obeyed" : "ignored";
      const also = (["copy", "remove"] as const).filter((what) => found[what] === "obeyed");
      return { verdict, etags: found.etags, also, ...sighting };
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
