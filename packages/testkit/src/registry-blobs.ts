import { randomUUID } from "node:crypto";
import { answer, bodyOf, type Exchange, refuse } from "./registry-exchange.ts";
import { digestOf } from "./registry-store.ts";

/** Opens, ends or drops the upload of a blob, or mounts one. */
export async function upload(exchange: Exchange, name: string, session: string): Promise<void> {
  const { request, uploads, response, registry } = exchange;
  if (request.method === "POST") return open(exchange, name);
  if (!uploads.has(session)) return refuse(response, 404, { code: "BLOB_UPLOAD_UNKNOWN" });
  if (request.method === "DELETE") {
    uploads.delete(session);
    return answer(response, 204);
  }
  if (registry.quirks.resumes === true) return resumable(exchange, name, session);
  // as CNCF distribution 2: a session that was cut is gone
  uploads.delete(session);
  store(exchange, name, await bodyOf(exchange));
}

/** @see OCI distribution specification, "Pushing a blob in chunks" */
async function resumable(exchange: Exchange, name: string, session: string): Promise<void> {
  const { registry, request, response, uploads, message } = exchange;
  const heldBytes = (): Buffer => uploads.get(session) ?? Buffer.alloc(0);
  const location = `http://${registry.host}${request.path}`;
  const status = (code: number): void => {
    const range = `0-${Math.max(0, heldBytes().length - 1)}`;
    answer(response, code, { headers: { location, range } });
  };
  if (request.method === "GET") return status(204);
  const begins = Number(request.headers["content-range"]?.split("-")[0] ?? heldBytes().length);
  if (begins !== heldBytes().length) return status(416);
  if (message.headers.expect !== undefined) response.writeContinue();
  for await (const piece of message as AsyncIterable<Uint8Array>) {
    uploads.set(session, Buffer.concat([heldBytes(), piece]));
  }
  if (request.method === "PATCH") return status(202);
  const bytes = heldBytes();
  uploads.delete(session);
  store(exchange, name, bytes);
}

function store({ registry, request, response }: Exchange, name: string, bytes: Buffer): void {
  const digest = digestOf(bytes);
  if (request.query.get("digest") !== digest)
    return refuse(response, 400, { code: "DIGEST_INVALID" });
  registry.store.repository(name).blobs.set(digest, bytes);
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
  uploads.set(session, Buffer.alloc(0));
  const path = `/v2/${name}/blobs/uploads/${session}?_state=a%2Bb`;
  const location =
    registry.quirks.relativeLocations === true ? path : `http://${registry.host}${path}`;
  answer(response, 202, { headers: { location } });
}

/** Answers with a blob. */
export function blob({ registry, response }: Exchange, name: string, digest: string): void {
  const bytes = registry.store.repositories.get(name)?.blobs.get(digest);
  if (bytes === undefined) return refuse(response, 404, { code: "BLOB_UNKNOWN" });
  answer(response, 200, { headers: { "content-type": "application/octet-stream" }, body: bytes });
}
