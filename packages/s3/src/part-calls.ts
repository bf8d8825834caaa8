import type { AwsClient } from "./aws-client.ts";
import type { BucketSettings } from "./bucket-options.ts";
import type { ObjectHeaders } from "./bucket.ts";
import { sdkHeaders } from "./object-headers.ts";
import { abortable, addHeaders, ownedBy } from "./sdk-calls.ts";

/** One part of an object. */
export interface Part {
  readonly key: string;
  readonly id: string;
  /** From 1. */
  readonly number: number;
  readonly body: Uint8Array;
  /** 64 hex digits. */
  readonly sha256: string;
}

/** The requests of an upload in parts, each sent once. */
export interface PartCalls {
  /** @returns The name of the upload. */
  start(key: string, headers: ObjectHeaders, signal?: AbortSignal): Promise<string>;
  /** @returns The ETag of the part. */
  send(part: Part, signal?: AbortSignal): Promise<string>;
  complete(
    upload: Pick<Part, "key" | "id"> & { readonly etags: readonly string[] },
    signal?: AbortSignal,
  ): Promise<void>;
  abort(upload: Pick<Part, "key" | "id">): Promise<void>;
}

/** Sends parts through the SDK. */
export function partCalls({ sdk, client }: AwsClient, settings: BucketSettings): PartCalls {
  const owned = ownedBy(settings);
  return {
    async start(Key, headers, signal) {
      const command = new sdk.CreateMultipartUploadCommand({
        ...owned,
        Key,
        ...sdkHeaders(headers),
      });
      addHeaders(command.middlewareStack, settings.storedWith);
      const { UploadId = "" } = await client.send(command, abortable(signal));
      return UploadId;
    },

    async send({ key: Key, id: UploadId, number: PartNumber, body: Body, sha256 }, signal) {
      const ContentLength = Body.byteLength;
      const part = { ...owned, Key, UploadId, PartNumber, Body, ContentLength };
      const command = new sdk.UploadPartCommand(part);
      addHeaders(command.middlewareStack, { "x-amz-content-sha256": sha256 });
      return (await client.send(command, abortable(signal))).ETag ?? "";
    },

    async complete({ key: Key, id: UploadId, etags }, signal) {
      const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
      const upload = { ...owned, Key, UploadId, MultipartUpload: { Parts } };
      await client.send(new sdk.CompleteMultipartUploadCommand(upload), abortable(signal));
    },

    async abort({ key: Key, id: UploadId }) {
      await client.send(new sdk.AbortMultipartUploadCommand({ ...owned, Key, UploadId }));
    },
  };
}
