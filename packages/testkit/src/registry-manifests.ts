import { answer, bodyOf, type Exchange, json, refuse } from "./registry-exchange.ts";
import { digestOf, type RegistryStore } from "./registry-store.ts";

/** Answers with the tags of a repository. */
export function listTags({ registry, response }: Exchange, name: string): void {
  const repository = registry.store.repositories.get(name);
  if (repository === undefined) return refuse(response, 404, { code: "NAME_UNKNOWN" });
  json(response, 200, { name, tags: Object.keys(registry.store.tags(name)) });
}

/** Reads, stores or removes a manifest or a tag. */
export async function manifests(
  exchange: Exchange,
  name: string,
  reference: string,
): Promise<void> {
  const { registry, request, response } = exchange;
  if (request.method === "PUT") return putManifest(exchange, name, reference);
  if (request.method === "DELETE") return deleteManifest(exchange, name, reference);
  const found = registry.store.manifest(name, reference);
  const accepts = request.headers.accept ?? "";
  if (found === undefined || !accepts.includes(found.mediaType)) {
    return refuse(response, 404, { code: "MANIFEST_UNKNOWN" });
  }
  answer(response, 200, {
    headers: { "content-type": found.mediaType, "docker-content-digest": found.digest },
    body: found.bytes,
  });
}

async function putManifest(exchange: Exchange, name: string, reference: string): Promise<void> {
  const { registry, request, response } = exchange;
  const { store, quirks } = registry;
  const bytes = await bodyOf(exchange);
  const digest = digestOf(bytes);
  const byDigest = reference.startsWith("sha256:");
  if (byDigest && reference !== digest) return refuse(response, 400, { code: "DIGEST_INVALID" });
  const repository = store.repository(name);
  const content = JSON.parse(bytes.toString()) as Content;
  const missing = quirks.credulous === true ? undefined : missingOf(repository, content);
  if (missing !== undefined) {
    return refuse(response, 400, { code: "MANIFEST_BLOB_UNKNOWN", detail: { digest: missing } });
  }
  const asked = quirks.multiTag === true ? request.query.getAll("tag") : [];
  const tags = [...(byDigest ? [] : [reference]), ...asked];
  if (quirks.immutableTags === true && tags.some((tag) => repository.tags.has(tag))) {
    return refuse(response, 400, { code: "TAG_INVALID", message: "the tag is immutable" });
  }
  repository.manifests.set(digest, { bytes, mediaType: request.headers["content-type"] ?? "" });
  for (const tag of tags) repository.tags.set(tag, digest);
  const subject = quirks.referrers === true ? content.subject?.digest : undefined;
  answer(response, 201, {
    headers: {
      "docker-content-digest": digest,
      location: `/v2/${name}/manifests/${digest}`,
      ...(asked.length === 0 ? {} : { "oci-tag": asked.join(", ") }),
      ...(subject === undefined ? {} : { "oci-subject": subject }),
    },
  });
}

interface Content {
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
  readonly manifests?: readonly { readonly digest: string }[];
  readonly subject?: { readonly digest: string };
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

function missingOf(
  { blobs, manifests: known }: ReturnType<RegistryStore["repository"]>,
  content: Content,
): string | undefined {
  const named = [
    ...(content.config === undefined ? [] : [content.config]),
    ...(content.layers ?? []),
  ];
  const blobless = named.find(({ digest }) => !blobs.has(digest));
  return (blobless ?? content.manifests?.find(({ digest }) => !known.has(digest)))?.digest;
}

function deleteManifest({ registry, response }: Exchange, name: string, reference: string): void {
  const { store, quirks } = registry;
  const { deletes = "tags" } = quirks;
  const repository = store.repository(name);
  const byDigest = reference.startsWith("sha256:");
  if (deletes === "nothing") return refuse(response, 405, { code: "UNSUPPORTED" });
  if (!byDigest && deletes === "digests") return refuse(response, 400, { code: "DIGEST_INVALID" });
  const found = store.manifest(name, reference);
  if (found === undefined) return refuse(response, 404, { code: "MANIFEST_UNKNOWN" });
  if (byDigest) {
    repository.manifests.delete(reference);
    for (const [tag, digest] of repository.tags) {
      if (digest === reference) repository.tags.delete(tag);
    }
  } else repository.tags.delete(reference);
  answer(response, 202);
}

/** Answers with what refers to a manifest. */
export function referrers({ registry, response }: Exchange, name: string, subject: string): void {
  if (registry.quirks.referrers !== true) return refuse(response, 404, { code: "NOT_FOUND" });
  const all = [...registry.store.repository(name).manifests].flatMap(
    ([digest, { bytes, mediaType }]) => {
      const content = JSON.parse(bytes.toString()) as Content;
      if (content.subject?.digest !== subject) return [];
      const { artifactType, annotations } = content;
      return [{ mediaType, digest, size: bytes.length, artifactType, annotations }];
    },
  );
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: all };
  answer(response, 200, {
    headers: { "content-type": INDEX },
    body: Buffer.from(JSON.stringify(index)),
  });
}

const INDEX = "application/vnd.oci.image.index.v1+json";
