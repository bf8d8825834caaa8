import type { Copy, ObjectHead, Upload } from "./bucket.ts";

/** An upload whose digest is known. */
export type DigestedUpload = Upload & { readonly sha256: string };

/**
 * The requests that a deploy sends many of, each sent once. There are two ways to send them, and tests
 * compare what both send; whatever fails rejects in the form in which the SDK throws.
 */
export interface Calls {
  head(key: string, signal?: AbortSignal): Promise<ObjectHead>;
  put(upload: DigestedUpload, signal?: AbortSignal): Promise<{ readonly etag: string }>;
  copy(copy: Copy, signal?: AbortSignal): Promise<void>;
  /** @param condition - Only the object with this ETag. */
  remove(
    key: string,
    condition: { readonly etag?: string | undefined },
    signal?: AbortSignal,
  ): Promise<void>;
}
