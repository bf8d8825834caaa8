import { canonicalJson, type Json, type Store } from "@lockstep/plugin";
import { reachable } from "./reachable.ts";
import type { JournalRecord } from "./records.ts";
import { digestOf } from "./surroundings.ts";

/** Bodies above this many bytes are kept beside the record, named by their digest. */
const LARGEST_BODY = 16 * 1024;

/** Large bodies go to a blob first, so that a record never names what is not there. */
export async function setAside(store: Store, body: Json): Promise<Json> {
  const text = canonicalJson(body);
  if (Buffer.byteLength(text) <= LARGEST_BODY) return body;
  return { blob: await putBlob(store, text) };
}

/** Keeps a large text under its digest; durable before anything names it. */
export async function putBlob(store: Store, text: string): Promise<string> {
  const digest = digestOf(text);
  // "exists" means the same bytes: the key is their digest.
  await reachable(store, () => store.create(blobKey(digest), Buffer.from(text)));
  return digest;
}

/** Fetches what {@link putBlob} kept. */
export async function getBlob(store: Store, digest: string): Promise<Json> {
  const stored = await reachable(store, () => store.get(blobKey(digest)));
  if (stored === undefined || digestOf(stored.body) !== digest) {
    throw new Error(`The blob ${digest} is missing or altered.`);
  }
  return JSON.parse(Buffer.from(stored.body).toString("utf8")) as Json;
}

function isAside(body: Json): body is { readonly blob: string } {
  return (
    typeof body === "object" && body !== null && "blob" in body && Object.keys(body).length === 1
  );
}

function blobKey(digest: string): string {
  return `blobs/${digest.replace(":", "-")}`;
}

/** A record with its body, wherever that is kept. */
export async function withBody(store: Store, record: JournalRecord): Promise<JournalRecord> {
  const body = record.body as unknown as Json;
  return isAside(body)
    ? ({ ...record, body: await getBlob(store, body.blob) } as unknown as JournalRecord)
    : record;
}
