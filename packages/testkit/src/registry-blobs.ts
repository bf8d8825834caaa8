import { randomUUID } from "node:crypto";
import { answer, bodyOf, type Exchange, refuse } from "./registry-exchange.ts";
import { digestOf } from "./registry-store.ts";

/** Opens, ends or drops the upload of a blob, or mounts one. */
export async function upload(exchange: Exchange, name: string, session: string): Promise<void> {
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

/** Answers with a blob. */
export function blob({ registry, response }: Exchange, name: string, digest: string): void {
  const bytes = registry.store.repositories.get(name)?.blobs.get(digest);
  if (bytes === undefined) return refuse(response, 404, { code: "BLOB_UNKNOWN" });
  answer(response, 200, { headers: { "content-type": "application/octet-stream" }, body: bytes });
}
