import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { digestOf, RegistryStore } from "./registry-store.ts";

/** How a sandbox registry differs from one that does everything right. */
export interface RegistryQuirks {
  /** What may be deleted: `tags` and digests (default), `digests` alone as CNCF distribution 2.8, or `nothing`. */
  readonly deletes?: "tags" | "digests" | "nothing";
  /** Moves all tags of one PUT at once and says so in `OCI-Tag`. */
  readonly multiTag?: boolean;
  /** Whether it has a referrers API. */
  readonly referrers?: boolean;
  /** A tag that exists cannot be moved. */
  readonly immutableTags?: boolean;
  /** What a mount is answered with; default: it works. */
  readonly mount?: "ignored" | 401 | 403 | 405 | 500;
  /** Accepts manifests whose blobs it does not hold. */
  readonly credulous?: boolean;
  /** Gives the location of an upload as a path. */
  readonly relativeLocations?: boolean;
}

/** Logins of a sandbox registry. */
export interface RegistryAuth {
  readonly kind: "basic" | "bearer";
  readonly username: string;
  readonly password: string;
  /** Accepted in place of a password by a POST, as identity tokens are. */
  readonly identityToken?: string;
  /** Where tokens are to be fetched; default: `/token` of this server. */
  readonly realm?: string;
  /** Seconds that a token says it lives; default 300. */
  readonly expiresIn?: number;
}

/** How a sandbox registry is started. */
export interface SandboxRegistryOptions {
  readonly quirks?: RegistryQuirks;
  readonly auth?: RegistryAuth;
}

/** One request that a registry got. */
export interface RegistryRequest {
  readonly method: string;
  /** Path without its query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  /** Counts from 1. */
  readonly number: number;
}

/** Misbehaviour for one request: it is called before the registry answers; true: it has answered itself. */
export type RegistryFault = (
  request: RegistryRequest,
  io: { readonly message: IncomingMessage; readonly response: ServerResponse },
) => boolean | undefined | Promise<boolean | undefined>;

/** A container registry in this process. */
export interface SandboxRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly port: number;
  readonly store: RegistryStore;
  /** Every request, in the order they came. */
  readonly requests: RegistryRequest[];
  /** Asked about every request; undefined: it behaves. */
  fault: RegistryFault | undefined;
  quirks: RegistryQuirks;
  /** Tokens that are let in, to be revoked by clearing it. */
  readonly tokens: Set<string>;
}

interface Surroundings {
  readonly registry: SandboxRegistry;
  readonly auth: RegistryAuth | undefined;
  readonly uploads: Set<string>;
}

interface Exchange extends Surroundings {
  readonly request: RegistryRequest;
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Starts a container registry that keeps everything in memory, over plain HTTP on loopback.
 *
 * @see OCI distribution specification
 */
export async function startSandboxRegistry(
  options: SandboxRegistryOptions = {},
): Promise<SandboxRegistry> {
  const uploads = new Set<string>();
  const server = createServer((message, response) => {
    const url = new URL(message.url ?? "/", "http://sandbox");
    const request: RegistryRequest = {
      method: message.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: message.headers,
      number: registry.requests.length + 1,
    };
    registry.requests.push(request);
    const exchange = { registry, auth: options.auth, uploads, request, message, response };
    serve(exchange).catch(() => response.destroy());
  });
  // the body of a request is wanted only once the headers have been looked at
  server.on("checkContinue", (message: IncomingMessage, response: ServerResponse) => {
    server.emit("request", message, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const registry: SandboxRegistry = {
    host: `127.0.0.1:${port}`,
    port,
    store: new RegistryStore(),
    requests: [],
    fault: undefined,
    quirks: options.quirks ?? {},
    tokens: new Set(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return registry;
}

async function serve(exchange: Exchange): Promise<void> {
  const { registry, request, response, message, auth } = exchange;
  if ((await registry.fault?.(request, { message, response })) === true) return;
  if (auth !== undefined && request.path === "/token") return token(exchange, auth);
  if (auth !== undefined && !isLetIn(exchange, auth)) return challenge(exchange, auth);

  const found = /^\/v2\/(.+?)\/(manifests|blobs|tags|referrers)\/(.+)$/.exec(request.path);
  if (found === null) return answer(response, 200);
  const [, name = "", kind, rest = ""] = found;
  if (kind === "tags") return listTags(exchange, name);
  if (kind === "manifests") return manifests(exchange, name, decodeURIComponent(rest));
  if (kind === "referrers") return referrers(exchange, name, rest);
  if (rest.startsWith("uploads/")) return upload(exchange, name, rest.slice("uploads/".length));
  return blob(exchange, name, rest);
}

function isLetIn({ request, registry }: Exchange, auth: RegistryAuth): boolean {
  const given = request.headers.authorization ?? "";
  if (auth.kind === "basic") return given === basicOf(auth);
  return registry.tokens.has(given.replace(/^Bearer /, ""));
}

function basicOf({ username, password }: RegistryAuth): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function challenge({ registry, response }: Exchange, auth: RegistryAuth): void {
  const realm = auth.realm ?? `http://${registry.host}/token`;
  const offer =
    auth.kind === "basic" ? `Basic realm="sandbox"` : `Bearer realm="${realm}",service="sandbox"`;
  refuse(response, 401, { code: "UNAUTHORIZED", headers: { "www-authenticate": offer } });
}

async function token(exchange: Exchange, auth: RegistryAuth): Promise<void> {
  const { request, response, registry, message } = exchange;
  const form = new URLSearchParams((await bodyOf(exchange)).toString());
  const isKnown =
    message.method === "POST"
      ? auth.identityToken !== undefined && form.get("refresh_token") === auth.identityToken
      : request.headers.authorization === basicOf(auth);
  if (!isKnown) return refuse(response, 401, { code: "UNAUTHORIZED" });
  const text = `token-${randomUUID()}`;
  registry.tokens.add(text);
  json(response, 200, { token: text, expires_in: auth.expiresIn ?? 300 });
}

function listTags({ registry, response }: Exchange, name: string): void {
  const repository = registry.store.repositories.get(name);
  if (repository === undefined) return refuse(response, 404, { code: "NAME_UNKNOWN" });
  json(response, 200, { name, tags: Object.keys(registry.store.tags(name)) });
}

async function manifests(exchange: Exchange, name: string, reference: string): Promise<void> {
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

function referrers({ registry, response }: Exchange, name: string, subject: string): void {
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

async function upload(exchange: Exchange, name: string, session: string): Promise<void> {
  const { request, uploads, response } = exchange;
  if (request.method === "POST") return open(exchange, name);
  if (!uploads.has(session)) return refuse(response, 404, { code: "BLOB_UPLOAD_UNKNOWN" });
  if (request.method === "DELETE") {
    uploads.delete(session);
    return answer(response, 204);
  }
  // as CNCF distribution: a session that was cut is gone
  uploads.delete(session);
  const bytes = await bodyOf(exchange);
  const digest = digestOf(bytes);
  if (request.query.get("digest") !== digest)
    return refuse(response, 400, { code: "DIGEST_INVALID" });
  exchange.registry.store.repository(name).blobs.set(digest, bytes);
  answer(response, 201, { headers: { "docker-content-digest": digest } });
}

function open({ registry, request, response, uploads }: Exchange, name: string): void {
  const { mount } = registry.quirks;
  const wanted = request.query.get("mount");
  const from = registry.store.repositories.get(request.query.get("from") ?? "");
  if (wanted !== null && typeof mount === "number")
    return refuse(response, mount, { code: "DENIED" });
  const held = wanted === null ? undefined : from?.blobs.get(wanted);
  if (held !== undefined && wanted !== null && mount !== "ignored") {
    registry.store.repository(name).blobs.set(wanted, held);
    return answer(response, 201);
  }
  const session = randomUUID();
  uploads.add(session);
  const path = `/v2/${name}/blobs/uploads/${session}?_state=a%2Bb`;
  const location =
    registry.quirks.relativeLocations === true ? path : `http://${registry.host}${path}`;
  answer(response, 202, { headers: { location } });
}

function blob({ registry, response }: Exchange, name: string, digest: string): void {
  const bytes = registry.store.repositories.get(name)?.blobs.get(digest);
  if (bytes === undefined) return refuse(response, 404, { code: "BLOB_UNKNOWN" });
  answer(response, 200, { headers: { "content-type": "application/octet-stream" }, body: bytes });
}

async function bodyOf({ message, response }: Exchange): Promise<Buffer> {
  if (message.headers.expect !== undefined) response.writeContinue();
  const chunks: Uint8Array[] = [];
  for await (const chunk of message as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

interface Answered {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

function answer(
  response: ServerResponse,
  status: number,
  { headers = {}, body }: Answered = {},
): void {
  response.writeHead(status, { ...headers, "content-length": body?.length ?? 0 });
  response.end(body);
}

function json(response: ServerResponse, status: number, value: unknown, headers = {}): void {
  const body = Buffer.from(JSON.stringify(value));
  answer(response, status, { headers: { ...headers, "content-type": "application/json" }, body });
}

interface Complaint {
  readonly code: string;
  readonly message?: string;
  readonly detail?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

function refuse(
  response: ServerResponse,
  status: number,
  { headers = {}, ...error }: Complaint,
): void {
  json(response, status, { errors: [error] }, headers);
}
