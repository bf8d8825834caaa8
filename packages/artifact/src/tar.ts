import { sourceChanged } from "@lockstep/plugin";
import type { Artifact, Entry, FileEntry, Reading } from "./artifact.ts";
import { eachOf } from "./parallel.ts";
import { BLOCK, memberHead, padding } from "./tar-header.ts";

/** Members are packed into pieces of about this many bytes; a larger file is a piece of its own. */
const PIECE = 512 * 1024;
/** Files that are read at the same time. */
const PARALLEL = 8;

/** What goes into an archive besides the artifact. */
export interface TarOptions {
  /** Members after all others, in this order; mode default 0o644. */
  readonly trailer?: readonly TrailerMember[];
  /** Sends just these paths of the manifest; directories too are sent only when named. Default: all. */
  readonly only?: ReadonlySet<string>;
  readonly signal?: AbortSignal;
}

/** A file that is made for the archive. */
export interface TrailerMember {
  readonly path: string;
  readonly body: Uint8Array;
  readonly mode?: number;
}

/**
 * A tar archive of an artifact: entries in the order of the manifest, the trailer, two blocks of zeros.
 *
 * Equal manifests give equal bytes. Every piece belongs to the receiver. Nothing follows a file whose
 * bytes are not those of the manifest, so an archive with its trailer is whole.
 *
 * @throws {LockstepError} `SOURCE_CHANGED`
 */
export async function* tarStream(
  artifact: Artifact,
  { trailer = [], only, signal }: TarOptions = {},
): AsyncGenerator<Uint8Array> {
  const wanted = artifact.manifest.filter(({ path }) => only?.has(path) ?? true);
  for (const group of grouped(wanted)) {
    signal?.throwIfAborted();
    yield* group.length > PIECE ? large(artifact, group, signal) : packed(artifact, group, signal);
  }
  for (const { path, body, mode = 0o644 } of trailer) {
    yield memberHead({ type: "file", path, mode, size: body.length });
    if (body.length > 0) yield body;
    if (padding(body.length) > 0) yield Buffer.alloc(padding(body.length));
  }
  yield Buffer.alloc(2 * BLOCK);
}

interface Placed {
  readonly entry: Entry;
  readonly head: Buffer;
  /** Where the head begins in its group, in bytes. */
  readonly at: number;
}

interface Group {
  readonly members: readonly Placed[];
  /** Bytes of all members with their heads. */
  readonly length: number;
}

/** Groups of members of at most one piece, and single members that are larger. */
function* grouped(entries: readonly Entry[]): Generator<Group> {
  let members: Placed[] = [];
  let length = 0;
  for (const entry of entries) {
    const head = headOf(entry);
    const size = head.length + sizeOf(entry) + padding(sizeOf(entry));
    if (length > 0 && length + size > PIECE) {
      yield { members, length };
      members = [];
      length = 0;
    }
    members.push({ entry, head, at: length });
    length += size;
  }
  if (length > 0) yield { members, length };
}

async function* packed(
  artifact: Artifact,
  { members, length }: Group,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(length);
  await eachOf(members, PARALLEL, async ({ entry, head, at }) => {
    head.copy(piece, at);
    if (entry.type !== "file") return;
    let end = at + head.length;
    for await (const bytes of contents(artifact, entry, { signal, isPassing: true })) {
      piece.set(bytes, end);
      end += bytes.length;
    }
  });
  yield piece;
}

async function* large(
  artifact: Artifact,
  { members }: Group,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const { entry, head } of members) {
    yield head;
    if (entry.type === "file") yield* contents(artifact, entry, { signal });
    if (padding(sizeOf(entry)) > 0) yield Buffer.alloc(padding(sizeOf(entry)));
  }
}

/** The bytes of a file: never more than its header says, and an error when they are fewer. */
async function* contents(
  artifact: Artifact,
  { path, size }: FileEntry,
  reading: Reading,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const bytes of artifact.open(path, reading)) {
    total += bytes.length;
    if (total > size) break;
    yield bytes;
  }
  if (total !== size) {
    throw sourceChanged(path, { wanted: `${size} bytes`, found: `${total} bytes` });
  }
}

function headOf(entry: Entry): Buffer {
  if (entry.type === "link") return memberHead({ ...entry, mode: 0o777, size: 0 });
  return memberHead({ ...entry, size: sizeOf(entry) });
}

function sizeOf(entry: Entry): number {
  return entry.type === "file" ? entry.size : 0;
}
