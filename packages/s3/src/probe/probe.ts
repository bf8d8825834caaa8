import { type BucketLimits, type BucketSurroundings, openClient } from "../aws-client.ts";
import type { BucketSettings } from "../bucket-options.ts";
import type { Bucket } from "../bucket.ts";
import { judge } from "../judge.ts";
import { createPace } from "../pace.ts";
import { patiently } from "../patience.ts";
import { correctRegion } from "../region.ts";
import { type Capabilities, decidesWrites, decodeVerdict, encodeVerdict } from "./capabilities.ts";
import { tryOut } from "./trial.ts";

/** Where a server is tried out, and how it is reached. */
export interface ProbePlace {
  readonly settings: BucketSettings;
  readonly surroundings: BucketSurroundings;
  readonly limits: BucketLimits;
  /** Below it objects are written and removed, and the verdict is kept. */
  readonly prefix: string;
}

/** Name of the object that keeps a verdict. */
const KEPT = ".capabilities";

/**
 * Finds out what a server does with conditions: by a verdict that is kept in the bucket, else by
 * trying. No name of a provider is looked at.
 *
 * A verdict that conditions are ignored is not kept: the server may be repaired.
 *
 * @throws {LockstepError} `S3_*` when the server cannot be asked
 */
export async function probe(bucket: Bucket, place: ProbePlace): Promise<Capabilities> {
  const { settings, prefix } = place;
  const key = `${prefix}${KEPT}`;
  const now = { server: settings.endpoint ?? "aws", at: Date.now() };
  const kept = await bucket.get(key);
  const known = kept === undefined ? undefined : decodeVerdict(kept.body, now);
  if (known !== undefined) return known;
  const found = await probeAnew(place);
  if (decidesWrites(found)) {
    const body = encodeVerdict(found, now);
    await bucket.put({ key, body, headers: { "content-type": "application/json" } });
  }
  return found;
}

async function probeAnew(place: ProbePlace): Promise<Capabilities> {
  const { settings, surroundings, limits, prefix } = place;
  const aws = await openClient(settings, surroundings, limits);
  const what = `TRY s3://${settings.bucket}/${prefix}.trial`;
  const { tries, backoffMs, deadlineMs } = limits;
  const { random } = surroundings;
  const patience = { pace: createPace({ most: 1 }), tries, backoffMs, deadlineMs, random };
  const send = (): Promise<Capabilities> =>
    tryOut({ aws, settings, prefix }, patience).catch((error: unknown) => {
      correctRegion(aws.client.config, error);
      throw error;
    });
  // a pace of one holds one request: the trials themselves go beside it
  const outer = { ...patience, pace: createPace({ most: 1 }) };
  try {
    return await patiently(outer, {
      what,
      send,
      judge: (error) => judge(what, settings.bucket, error),
    });
  } finally {
    aws.client.destroy();
  }
}
