import type { S3Bucket } from "./s3-objects.ts";

/** What a page of a listing is asked for. */
export interface ListRequest {
  readonly bucket: string;
  readonly prefix: string;
  /** Last key of the page before; empty for the first page. */
  readonly after: string;
  /** At most so many keys: 1 to 1,000. */
  readonly maxKeys: number;
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

/** One page of ListObjectsV2 in order of keys; names are URL-encoded, as clients ask for it. */
export function listXml(objects: S3Bucket, request: ListRequest): string {
  const { bucket, prefix, after, maxKeys } = request;
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).toSorted(byUtf8);
  const rest = keys.filter((key) => after === "" || byUtf8(key, after) > 0);
  const page = rest.slice(0, maxKeys);
  const isTruncated = rest.length > page.length;
  const token = isTruncated
    ? leaf("NextContinuationToken", encodeURIComponent(page.at(-1) ?? ""))
    : "";
  const contents = page.map((key) => entry(objects, key)).join("");
  const head = leaf("Name", bucket) + leaf("Prefix", encodeURIComponent(prefix));
  const counts = `<KeyCount>${page.length}</KeyCount><IsTruncated>${isTruncated}</IsTruncated>`;
  return document(
    "ListBucketResult",
    `${head}<EncodingType>url</EncodingType>${counts}${token}${contents}`,
  );
}

function entry(objects: S3Bucket, key: string): string {
  const object = objects.get(key);
  if (object === undefined) return "";
  const when = leaf("LastModified", iso(object.modifiedMs));
  const size = `<Size>${object.body.byteLength}</Size>`;
  return `<Contents>${leaf("Key", encodeURIComponent(key))}${when}${leaf("ETag", object.etag)}${size}</Contents>`;
}

function document(name: string, inside: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name}>${inside}</${name}>`;
}

function leaf(name: string, value: string): string {
  const escaped = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<${name}>${escaped.replaceAll('"', "&quot;")}</${name}>`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function byUtf8(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
