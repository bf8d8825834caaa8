import { hash } from "node:crypto";
import type { Finding, ReadContext } from "@lockstep/plugin";
import type { ObjectHead } from "./bucket.ts";
import { createBudget } from "./budget.ts";
import type { S3Connection } from "./connection.ts";
import { storedHeaders, whichOf } from "./moves.ts";
import { inParallel } from "./parallel.ts";
import { isSameHeaders, type SiteFile } from "./release.ts";
import { settingsMissing } from "./settings-kept.ts";
import { isLarge } from "./site.ts";

/** Most keys that one finding names. */
const MOST_NAMES = 10;

/** Bytes of objects that are held at once. */
export const MOST_HELD: number = 64 * 1024 * 1024;

/** What was seen of the live objects: paths, some with what is wrong. */
interface Seen {
  readonly missing: readonly SiteFile[];
  readonly changed: readonly string[];
  /** Stored in another way than the config says. */
  readonly unlike: readonly string[];
  /** Too large to be read. */
  readonly unread: readonly string[];
}

/**
 * Compares every object of the live release, bytes and headers, with what was deployed, and tells what else is
 * there. Reads the whole site; changes nothing.
 */
export async function* audit(ctx: ReadContext<S3Connection>): AsyncGenerator<Finding> {
  const { connection, signal } = ctx;
  const { live } = await connection.control.read(ctx);
  if (live === null) {
    yield { level: "ok", text: "No release is live yet" };
    return;
  }
  const { files } = await connection.release(live, signal);
  const sizes = await sizesBelow(ctx);
  const seen = await compare(files, sizes, ctx);
  yield* wrongFindings(seen, connection);
  yield* otherFindings(seen, await foreignAmong(sizes, ctx), connection);
  const whole = files.length - seen.missing.length - seen.changed.length;
  const unread = seen.unread.length > 0 ? `; too large to be read: ${names(seen.unread)}` : "";
  yield {
    level: "ok",
    text: `${whole} of ${files.length} live objects are as they were deployed${unread}`,
  };
}

/** Sizes by key, of everything below the prefix. */
type Sizes = ReadonlyMap<string, number>;

async function sizesBelow({
  connection: { bucket, settings },
  signal,
}: ReadContext<S3Connection>): Promise<Sizes> {
  const sizes = new Map<string, number>();
  for await (const { key, size } of bucket.list(settings.prefix, { signal })) sizes.set(key, size);
  return sizes;
}

async function compare(
  files: readonly SiteFile[],
  sizes: Sizes,
  { connection, signal }: ReadContext<S3Connection>,
): Promise<Seen> {
  const { bucket, layout, settings } = connection;
  const missing: SiteFile[] = [];
  const [changed, unlike, unread]: [string[], string[], string[]] = [[], [], []];
  const budget = createBudget(MOST_HELD);
  await inParallel(files, settings.limits.inFlight, async (file) => {
    const { path, sha256 } = file;
    const key = layout.live(path);
    const size = sizes.get(key);
    const isRead = size === file.size && !isLarge(size, settings.limits);
    const found = isRead
      ? await budget.run(size, async () => seenOf(await bucket.get(key, { signal })))
      : size === undefined
        ? undefined
        : await bucket.head(key, { signal });
    if (found === undefined) missing.push(file);
    else if (whichOf(found, [file]) === undefined) changed.push(path);
    else if (isRead && "sha256" in found && found.sha256 !== sha256) changed.push(path);
    else if (!isSameHeaders(found.headers, storedHeaders(file))) changed.push(`${path} (headers)`);
    else {
      if (!isRead) unread.push(path);
      const lacks = settingsMissing(settings.bucket.storedWith, found.stored);
      if (lacks.length > 0) unlike.push(`${path} (${lacks.join(", ")})`);
    }
  });
  return { missing, changed, unlike, unread };
}

/** An object without its bytes, and their digest. */
export function seenOf(
  found: (ObjectHead & { readonly body: Uint8Array }) | undefined,
): (ObjectHead & { readonly sha256: string }) | undefined {
  if (found === undefined) return undefined;
  const { body, ...head } = found;
  return { ...head, sha256: hash("sha256", body, "hex") };
}

/** Keys below the prefix that no release has, whether kept or only staged. */
async function foreignAmong(
  sizes: Sizes,
  { connection, signal }: ReadContext<S3Connection>,
): Promise<readonly string[]> {
  const { layout, settings } = connection;
  const ours = new Set<string>();
  for (const key of sizes.keys()) {
    const ref = key.startsWith(layout.releases) ? layout.refOf(key) : undefined;
    if (ref === undefined) continue;
    for (const { path } of (await connection.release(ref, signal)).files) {
      ours.add(layout.live(path));
    }
  }
  return [...sizes.keys()].filter((key) => !ours.has(key) && !key.startsWith(settings.state));
}

function* wrongFindings(
  { missing, changed }: Seen,
  { settings }: S3Connection,
): Generator<Finding> {
  const blobs = `s3://${settings.bucket.bucket}/${settings.state}blobs/`;
  if (missing.length > 0) {
    const kept = missing.find(({ inPlace }) => !inPlace);
    const whence = kept === undefined ? "" : ` (the bytes of ${kept.path}: ${blobs}${kept.sha256})`;
    yield {
      level: "fail",
      text: `${missing.length} live objects are gone: ${names(missing.map(({ path }) => path))}`,
      fix: `Deploy the same source with \`repair: true\`, or put each object back with its metadata${whence}: without that a file that stays the same is not sent again.`,
    };
  }
  if (changed.length > 0) {
    yield {
      level: "fail",
      text: `${changed.length} live objects were changed by others: ${names(changed)}`,
      fix: `Take the change into the source, remove the object, and deploy, with \`repair: true\` where the source is the same; or copy back what was there, a page from below ${blobs}.`,
    };
  }
}

function* otherFindings(
  { unlike }: Seen,
  foreign: readonly string[],
  { bucket, settings }: S3Connection,
): Generator<Finding> {
  if (unlike.length > 0) {
    yield {
      level: "warn",
      text: `${unlike.length} live objects are not stored as the config says: ${names(unlike)}`,
      fix: "Objects keep what they were sent with: give them new content, or see whether the server knows the setting.",
    };
  }
  if (foreign.length > 0) {
    yield {
      level: "warn",
      text: `${foreign.length} objects below ${bucket.name}/${settings.prefix} are of no release, and stay: ${names(foreign)}`,
    };
  }
}

function names(all: readonly string[]): string {
  const sorted = all.toSorted();
  const more = sorted.length - MOST_NAMES;
  return `${sorted.slice(0, MOST_NAMES).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
