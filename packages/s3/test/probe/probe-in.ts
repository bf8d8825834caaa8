import { secret } from "@lockstep/plugin";
import { z } from "zod";
import { openBucket } from "../../src/aws-bucket.ts";
import { usualLimits } from "../../src/aws-client.ts";
import { bucketSettings, bucketShape } from "../../src/bucket-options.ts";
import type { Capabilities } from "../../src/probe/capabilities.ts";
import { probe } from "../../src/probe/probe.ts";
import type { Server } from "../world.ts";

/** Asks a server what it can, below `at/` of a bucket. */
export async function probeIn(server: Server, bucketName: string): Promise<Capabilities> {
  const { endpoint, region, credentials } = server;
  const settings = bucketSettings(
    z.object(bucketShape).parse({
      bucket: bucketName,
      endpoint,
      region,
      credentials: { accessKeyId: credentials.accessKeyId, secretAccessKey: secret("KEY") },
    }),
  );
  const surroundings = {
    env: {},
    secret: async () => credentials.secretAccessKey,
    random: Math.random,
  };
  const limits = { ...usualLimits, backoffMs: 1 };
  await using bucket = await openBucket(settings, surroundings, limits);
  return await probe(bucket, { settings, surroundings, limits, prefix: "at/" });
}
