import type { Bucket, CallOptions, ObjectHead, Upload } from "./bucket.ts";
import type { Capabilities } from "./probe/capabilities.ts";

/** Bytes that hold a nonce of their own, and what is to be there before. */
export interface NoncedUpload extends Pick<Upload, "key" | "body" | "headers"> {
  /** The object that was read; absent: there must be none. */
  readonly etag?: string | undefined;
  /** How the server knows ETags, where that was found out. */
  readonly etags?: Capabilities["etags"] | undefined;
  /** Tells whether bytes that are found hold the nonce of this upload. */
  isOurs(body: Uint8Array): boolean;
}

/** The new ETag, or what is there instead. */
export type NoncedWrite =
  | { readonly etag: string }
  | { readonly found: (ObjectHead & { readonly body: Uint8Array }) | undefined };

/**
 * Writes an object where there is none, or where it is still the one that was read.
 *
 * The nonce makes every write have an ETag of its own, and tells a write whose reply was lost from one that was
 * refused: a repeated request is refused because of itself.
 *
 * @see Amazon S3 User Guide, "How to prevent object overwrites with conditional writes"
 */
export async function writeNonced(
  bucket: Bucket,
  { key, body, headers = {}, etag: read, etags, isOurs }: NoncedUpload,
  options?: CallOptions,
): Promise<NoncedWrite> {
  const tags = read === undefined ? [undefined] : waysToName(read, etags);
  let found: Awaited<ReturnType<Bucket["get"]>>;
  for (const etag of tags) {
    const condition = etag === undefined ? { absent: true } : { etag };
    const written = await bucket.put({ key, body, headers, ...condition }, options);
    if (written !== "refused") return written;
    found = await bucket.get(key, options);
    if (found !== undefined && isOurs(found.body)) return { etag: found.etag };
    // where nothing changed, the server knows its ETags only without quotes: RADOS gateways do
    if (found === undefined || found.etag !== read) break;
  }
  return { found };
}

/** The likelier way first: the other is tried only where nothing changed and it was refused. */
function waysToName(etag: string, etags: Capabilities["etags"] | undefined): string[] {
  const unquoted = etag.replaceAll('"', "");
  return etags === "unquoted" ? [unquoted, etag] : [etag, unquoted];
}
