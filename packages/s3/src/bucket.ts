/** What is known of an object without its bytes. */
export interface ObjectHead {
  /** As the server words it, with quotes; a name of one write, never of content. */
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case names: `content-type`, `cache-control`, `x-amz-meta-…`, the redirect location. */
  readonly headers: ObjectHeaders;
  /** Encryption, storage class and number of tags, where the server says them. */
  readonly stored: ObjectHeaders;
}

/** Headers that an object is stored with, by their lower-case names. */
export type ObjectHeaders = Readonly<Record<string, string>>;

/** One line of a listing. */
export interface Listed {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}

/** What must hold for a write to happen. */
export interface WriteCondition {
  /** Only where there is no object. */
  readonly absent?: boolean;
  /** Only where the object has this ETag. */
  readonly etag?: string;
}

/** Bytes to be stored. */
export interface Upload extends WriteCondition {
  readonly key: string;
  readonly body: Uint8Array;
  /** 64 hex digits, of what was planned: signed with the request, so that the server refuses any other bytes. Default: that of `body`. */
  readonly sha256?: string;
  readonly headers?: ObjectHeaders;
}

/** A file that is too large to be held at once. */
export interface LargeUpload {
  readonly key: string;
  readonly headers: ObjectHeaders;
  /** Bytes of every part but the last. */
  readonly partBytes: number;
  /** Read once, from its beginning to its end. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** A copy inside the bucket, with headers of its own; a condition is about what is under `to`. */
export interface Copy extends WriteCondition {
  readonly from: string;
  /** Copies only what has this ETag; a server that does not know the condition copies whatever is there. */
  readonly fromEtag?: string;
  readonly to: string;
  readonly headers: ObjectHeaders;
}

/** What became of a conditional write. */
export type Written = { readonly etag: string } | "refused";

/** What the settings of a bucket say of who may use it; undefined what could not be read. */
export interface BucketAccess {
  /** Names of the blocks of public access that are on; those of the whole account are not among them. */
  readonly blocks: readonly string[] | undefined;
  /** Whether the policy is public, as the server judges it. */
  readonly isPolicyPublic: boolean | undefined;
  /** The policy as JSON; empty where there is none. */
  readonly policy: string | undefined;
  /** What groups are granted by the ACL: the end of a group's name, and the permission. */
  readonly grants: readonly (readonly [group: string, permission: string])[] | undefined;
  /** Who owns objects; empty where nothing is set. */
  readonly ownership: string | undefined;
  /** Rights that the account lacks to read the rest. */
  readonly lacks: readonly string[];
}

/** What every call of a bucket takes. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The bucket as steps see it. Calls are repeated after passing trouble, so a conditional write whose
 * reply was lost may be told `refused` although it happened: compare what is there.
 *
 * @throws {LockstepError} `S3_*` by every call
 */
export interface Bucket extends AsyncDisposable {
  /** Without secrets, for messages: `s3://shop-web`. */
  readonly name: string;
  get(key: string, options?: CallOptions): Promise<(ObjectHead & { body: Uint8Array }) | undefined>;
  head(key: string, options?: CallOptions): Promise<ObjectHead | undefined>;
  put(upload: Upload, options?: CallOptions): Promise<Written>;
  /** Sends part after part; the object is there when all of them are, and not before. */
  putLarge(upload: LargeUpload, options?: CallOptions): Promise<void>;
  /** Says `missing` when there is nothing under `from`; with an `etag` also when there is nothing under `to`. */
  copy(copy: Copy, options?: CallOptions): Promise<"copied" | "missing" | "refused">;
  remove(
    key: string,
    options?: CallOptions & { readonly etag?: string | undefined },
  ): Promise<"removed" | "refused">;
  /** Every key that starts with `prefix`, in the order of UTF-8. */
  list(prefix: string, options?: CallOptions): AsyncIterable<Listed>;
  /** Who may use the bucket, as far as its settings may be read. */
  access(options?: CallOptions): Promise<BucketAccess>;
  /** Milliseconds for which requests can be signed; undefined where that is not known. */
  credentialsMs(): Promise<number | undefined>;
}
