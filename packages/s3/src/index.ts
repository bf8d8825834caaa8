export type { BucketLimits } from "./aws-client.ts";
export type { BucketOptions, CredentialOptions } from "./bucket-options.ts";
export type { CheckOptions } from "./check-options.ts";
export { s3Errors } from "./catalogue.ts";
export type { S3Connection } from "./connection.ts";
export type { HeaderRule, S3Options, SiteGuard, SiteLimits } from "./options.ts";
export { s3Store, type S3Store, type S3StoreOptions } from "./store/s3-store.ts";
export { s3 } from "./target.ts";
