import type { S3Bucket } from "./s3-objects.ts";

/** What a page of a listing is asked for. */
export interface ListRequest {
  readonly bucket: string;
  readonly prefix: string;
  /** Last key of the page before; empty for the first page. */
  readonly after: string;
  /** At most so many keys: 1 to 1,000. */
  readonly maxKeys: number;
  /** Whether names are URL-encoded: XML cannot hold every character of a key. */
  readonly isEncoded: boolean;
}

/** An error as S3 words it. */
export function errorXml(code: string, resource: string): string {
  return document(
    "Error",
    `<Code>${code}</Code><Message>${code}</Message>${leaf("Resource", resource)}`,
  );
}

/** The answer to CopyObject. */
export function copyXml(etag: string, modifiedMs: number): string {
  return document("CopyObjectResult", leaf("ETag", etag) + leaf("LastModified", iso(modifiedMs)));
}

/** One page of ListObjectsV2 in order of keys. */
export function listXml(objects: S3Bucket, request: ListRequest): string {
  const { bucket, prefix, after, maxKeys, isEncoded } = request;
  const named = (key: string): string => (isEncoded ? encodeURIComponent(key) : key);
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).toSorted(byUtf8);
  const rest = keys.filter((key) => after === "" || byUtf8(key, after) > 0);
  const page = rest.slice(0, maxKeys);
  const isTruncated = rest.length > page.length;
  const token = isTruncated
    ? leaf("NextContinuationToken", Buffer.from(page.at(-1) ?? "").toString("base64url"))
    : "";
  const contents = page.map((key) => entry(objects, { key, name: named(key) })).join("");
  const head = leaf("Name", bucket) + leaf("Prefix", named(prefix));
  const counts = `<KeyCount>${page.length}</KeyCount><IsTruncated>${isTruncated}</IsTruncated>`;
  return document(
    "ListBucketResult",
    `${head}${isEncoded ? leaf("EncodingType", "url") : ""}${counts}${token}${contents}`,
  );
}

/** The answer to DeleteObjects. */
export function removedXml(keys: readonly string[]): string {
  return document(
    "DeleteResult",
    keys.map((key) => `<Deleted>${leaf("Key", key)}</Deleted>`).join(""),
  );
}

/** The answer to CreateMultipartUpload. */
export function startedXml({
  bucket,
  key,
  id,
}: {
  bucket: string;
  key: string;
  id: string;
}): string {
  return document(
    "InitiateMultipartUploadResult",
    leaf("Bucket", bucket) + leaf("Key", key) + leaf("UploadId", id),
  );
}

/** The answer to CompleteMultipartUpload. */
export function completedXml({
  bucket,
  key,
  etag,
}: {
  bucket: string;
  key: string;
  etag: string;
}): string {
  return document(
    "CompleteMultipartUploadResult",
    leaf("Bucket", bucket) + leaf("Key", key) + leaf("ETag", etag),
  );
}

/** The text of every element of this name, in their order. Knows what clients send, not all of XML. */
export function textsOf(xml: string, name: string): string[] {
  const found = xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, "g"));
  return [...found].map(([, text = ""]) =>
    text
      .replaceAll(/&#(x?)([0-9a-f]+);/gi, (_, hex: string, digits: string) =>
        String.fromCodePoint(Number.parseInt(digits, hex === "" ? 10 : 16)),
      )
      .replaceAll("&quot;", '"')
      .replaceAll("&apos;", "'")
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&amp;", "&"),
  );
}

function entry(objects: S3Bucket, { key, name }: { key: string; name: string }): string {
  const object = objects.get(key);
  if (object === undefined) return "";
  const when = leaf("LastModified", iso(object.modifiedMs));
  const size = `<Size>${object.body.byteLength}</Size>`;
  return `<Contents>${leaf("Key", name)}${when}${leaf("ETag", object.etag)}${size}</Contents>`;
}

/** A document of one element. */
export function document(name: string, inside: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name}>${inside}</${name}>`;
}

/** An element that holds text. */
export function leaf(name: string, value: string): string {
  const escaped = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<${name}>${escaped.replaceAll('"', "&quot;")}</${name}>`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function byUtf8(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
