import type { S3Client } from "@aws-sdk/client-s3";

/** Answers that tell where a bucket is. */
const MOVED: readonly (number | undefined)[] = [301, 307, 400];

/**
 * Leads all further requests to the region of the bucket, where the server said that it is another.
 *
 * @returns Whether the request is to be sent again.
 */
export function correctRegion(config: S3Client["config"], error: unknown): boolean {
  const { $response } = error as {
    readonly $response?: {
      readonly statusCode?: number;
      readonly headers?: Readonly<Record<string, string>>;
    };
  };
  const found = $response?.headers?.["x-amz-bucket-region"];
  if (found === undefined || !MOVED.includes($response?.statusCode)) return false;
  config.region = async () => found;
  return true;
}
