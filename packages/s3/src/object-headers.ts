import type { GetObjectOutput, HeadObjectOutput } from "@aws-sdk/client-s3";
import type { ObjectHead, ObjectHeaders } from "./bucket.ts";

/** How the SDK calls the headers that an object keeps. */
const NAMES = {
  "cache-control": "CacheControl",
  "content-disposition": "ContentDisposition",
  "content-encoding": "ContentEncoding",
  "content-language": "ContentLanguage",
  "content-type": "ContentType",
  "x-amz-website-redirect-location": "WebsiteRedirectLocation",
} as const;

const META = "x-amz-meta-";

/** Names of the headers that an object can keep, besides those of {@link META}. */
export const keptNames: readonly string[] = Object.keys(NAMES);

/** Tells whether an object can keep a header of this lower-case name. */
export function isKept(name: string): boolean {
  return keptNames.includes(name) || /^x-amz-meta-[a-z0-9-]+$/.test(name);
}

/** Headers as the SDK wants them in a request. */
export type SdkHeaders = { [Field in (typeof NAMES)[keyof typeof NAMES]]?: string } & {
  Metadata?: Record<string, string>;
};

/** Says headers in the words of the SDK. */
export function sdkHeaders(headers: ObjectHeaders): SdkHeaders {
  const metadata = Object.entries(headers).filter(([name]) => name.startsWith(META));
  const system = Object.entries(NAMES).flatMap(([name, field]) => {
    const value = headers[name];
    return value === undefined ? [] : [[field, value] as const];
  });
  const pairs = metadata.map(([name, value]) => [name.slice(META.length), value] as const);
  return {
    ...Object.fromEntries(system),
    ...(pairs.length === 0 ? {} : { Metadata: Object.fromEntries(pairs) }),
  };
}

/** What the SDK read of an object: its headers, and how it is stored. */
export function toHead(
  answer: GetObjectOutput & HeadObjectOutput,
): Pick<ObjectHead, "headers" | "stored"> {
  const { ServerSideEncryption, SSEKMSKeyId, StorageClass, TagCount } = answer;
  const stored = {
    "x-amz-server-side-encryption": ServerSideEncryption,
    "x-amz-server-side-encryption-aws-kms-key-id": SSEKMSKeyId,
    "x-amz-storage-class": StorageClass,
    "x-amz-tagging-count": TagCount?.toString(),
  };
  const said = Object.entries(stored).filter((pair) => pair[1] !== undefined);
  return { headers: toHeaders(answer), stored: Object.fromEntries(said) as ObjectHeaders };
}

function toHeaders(answer: GetObjectOutput): Record<string, string> {
  const system = Object.entries(NAMES).flatMap(([name, field]) => {
    const value = answer[field];
    return value === undefined ? [] : [[name, value] as const];
  });
  const meta = Object.entries(answer.Metadata ?? {}).map(
    ([name, value]) => [`${META}${name.toLowerCase()}`, value] as const,
  );
  return Object.fromEntries([...system, ...meta]);
}

/** Half a sentence: why an object cannot keep a header of this name; undefined when it can. */
export function headerNameProblem(name: string): string | undefined {
  return isKept(name) && name !== DIGEST_HEADER ? undefined : "an object cannot keep this header";
}

/** Half a sentence: why this is no value of a header; undefined when it is one. */
export function headerValueProblem(value: string): string | undefined {
  return /^[\t\u0020-\u007e]*$/.test(value) ? undefined : "the value is not printable ASCII";
}

/** Marks an object as ours: the SHA-256 of its bytes, 64 hex digits. */
export const DIGEST_HEADER = "x-amz-meta-lockstep";
