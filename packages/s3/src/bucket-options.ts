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
}

/** {@link BucketOptions}, checked and complete. */
export interface BucketSettings {
  readonly bucket: string;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean;
  readonly credentials: CredentialOptions;
  readonly expectedBucketOwner: string | undefined;
}

const secret = z.custom<Secret>(isSecret, "A secret is needed: secret(NAME)");

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
};

/** What the schema makes of {@link BucketOptions}. */
export type CheckedBucket = { readonly [Key in keyof BucketShape]: z.output<BucketShape[Key]> };

/** Fills in what depends on other options. */
export function bucketSettings(written: z.output<z.ZodObject<typeof bucketShape>>): BucketSettings {
  const { bucket, region, endpoint: url, expectedBucketOwner } = written;
  return {
    bucket,
    region,
    endpoint: url,
    pathStyle: written.pathStyle ?? url !== undefined,
    credentials: written.credentials,
    expectedBucketOwner,
  };
}

/** Name of a place in a bucket, for people and for claims: `s3://shop-web/site/`. */
export function placeOf({ bucket, endpoint: url }: BucketSettings, prefix: string): string {
  const host = url === undefined ? "" : `${new URL(url).host}/`;
  return `s3://${host}${bucket}/${prefix}`;
}
