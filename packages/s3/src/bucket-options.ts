import { isSecret, type Secret } from "@lockstep/plugin";
import { z } from "zod";

/** How the account that may write is found; by default as every tool of AWS finds it. */
export type CredentialOptions =
  | "chain"
  /** A profile of the shared AWS config. */
  | { readonly profile: string }
  | {
      readonly accessKeyId: string;
      readonly secretAccessKey: Secret;
      readonly sessionToken?: Secret;
    };

/** Which bucket, and how it is reached. */
export interface BucketOptions {
  readonly bucket: string;
  /** Default: `AWS_REGION`, the profile's, or `us-east-1`. */
  readonly region?: string;
  /** Where a server other than Amazon's is: `https://s3.example.com`. */
  readonly endpoint?: string;
  /** Put the bucket into the path rather than the host name; default: where `endpoint` is set. */
  readonly pathStyle?: boolean;
  readonly credentials?: CredentialOptions;
  /** Account, 12 digits, that must own the bucket; anybody else's is refused by Amazon. */
  readonly expectedBucketOwner?: string;
  /** `sdk` sends every request through the SDK; `own`, the default, signs the many ones with its parts alone. */
  readonly engine?: "own" | "sdk";
  /** How objects are encrypted; default: as the bucket says. */
  readonly encryption?: "s3" | { readonly kms: string };
  /** `STANDARD_IA` and others; default: as the bucket says. */
  readonly storageClass?: string;
  /** Tags of every object. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** {@link BucketOptions}, checked and complete. */
export interface BucketSettings {
  readonly bucket: string;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean;
  readonly credentials: CredentialOptions;
  readonly expectedBucketOwner: string | undefined;
  readonly engine: "own" | "sdk";
  /** Headers of every write: encryption, storage class, tags. */
  readonly storedWith: Readonly<Record<string, string>>;
}

const secret = z.custom<Secret>(isSecret, "A secret is needed: secret(NAME)");

/** What may stand in a header. */
const plainText = z.string().regex(/^[\u0021-\u007e]+$/, "This is not printable ASCII");

const credentials = z.union([
  z.literal("chain"),
  z.strictObject({ profile: z.string().min(1) }),
  z.strictObject({
    accessKeyId: z.string().min(1),
    secretAccessKey: secret,
    sessionToken: secret.optional(),
  }),
]);

const endpoint = z
  .url({ protocol: /^https?$/, error: "This is no URL such as https://s3.example.com" })
  .refine((url) => !/^[a-z]+:\/\/[^/]*@/.test(url), "An endpoint holds no credentials")
  .transform((url) => url.replace(/\/+$/, ""));

/** The keys that every schema of this package about a bucket shares. */
export type BucketShape = {
  readonly bucket: z.ZodType<string, string>;
  readonly region: z.ZodType<string | undefined>;
  readonly endpoint: z.ZodType<string | undefined, string | undefined>;
  readonly pathStyle: z.ZodType<boolean | undefined>;
  readonly credentials: z.ZodType<CredentialOptions>;
  readonly expectedBucketOwner: z.ZodType<string | undefined>;
  readonly engine: z.ZodType<"own" | "sdk">;
  readonly encryption: z.ZodType<BucketOptions["encryption"]>;
  readonly storageClass: z.ZodType<string | undefined>;
  readonly tags: z.ZodType<BucketOptions["tags"]>;
};

/** Checks {@link BucketOptions}; to be spread into a schema. */
export const bucketShape: BucketShape = {
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "This is no name of a bucket"),
  region: z.string().min(1).optional(),
  endpoint: endpoint.optional(),
  pathStyle: z.boolean().optional(),
  credentials: credentials.default("chain") as unknown as z.ZodType<CredentialOptions>,
  expectedBucketOwner: z
    .string()
    .regex(/^\d{12}$/, "An account is 12 digits")
    .optional(),
  engine: z.enum(["own", "sdk"]).default("own"),
  encryption: z.union([z.literal("s3"), z.strictObject({ kms: plainText })]).optional(),
  storageClass: z
    .string()
    .regex(/^[A-Z0-9_]+$/, "This is no storage class such as STANDARD_IA")
    .optional(),
  tags: z.record(plainText, z.string().regex(/^[\u0020-\u007e]*$/)).optional(),
};

/** What the schema makes of {@link BucketOptions}. */
export type CheckedBucket = { readonly [Key in keyof BucketShape]: z.output<BucketShape[Key]> };

/** Fills in what depends on other options. */
export function bucketSettings(written: z.output<z.ZodObject<typeof bucketShape>>): BucketSettings {
  const { bucket, region, endpoint: url, expectedBucketOwner, engine } = written;
  return {
    bucket,
    region,
    endpoint: url,
    pathStyle: written.pathStyle ?? url !== undefined,
    credentials: written.credentials,
    expectedBucketOwner,
    engine,
    storedWith: storedWith(written),
  };
}

/** @see Amazon S3 API Reference, "PutObject" and "CopyObject" */
function storedWith({ encryption, storageClass, tags }: CheckedBucket): Record<string, string> {
  const kms = typeof encryption === "object" ? encryption.kms : undefined;
  return {
    ...(encryption === "s3" ? { "x-amz-server-side-encryption": "AES256" } : {}),
    ...(kms === undefined
      ? {}
      : {
          "x-amz-server-side-encryption": "aws:kms",
          "x-amz-server-side-encryption-aws-kms-key-id": kms,
        }),
    ...(storageClass === undefined ? {} : { "x-amz-storage-class": storageClass }),
    ...(tags === undefined
      ? {}
      : {
          "x-amz-tagging": new URLSearchParams(tags).toString(),
          "x-amz-tagging-directive": "REPLACE",
        }),
  };
}

/** Name of a place in a bucket, for people and for claims: `s3://shop-web/site/`. */
export function placeOf({ bucket, endpoint: url }: BucketSettings, prefix: string): string {
  const host = url === undefined ? "" : `${new URL(url).host}/`;
  return `s3://${host}${bucket}/${prefix}`;
}
