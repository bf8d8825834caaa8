import type { CallOptions } from "../bucket.ts";
import { valuesContended } from "../errors.ts";

/** What is written at once, all or nothing. */
export interface KeyChanges {
  readonly puts: readonly (readonly [key: string, value: string])[];
  readonly deletes: readonly string[];
}

/**
 * The key value store as steps see it. Its tag changes with every write to any key, so a write that names the tag
 * of a look is refused when anything was written since. Calls are repeated after passing trouble: a write whose
 * reply was lost is told `moved`.
 *
 * @throws {LockstepError} `S3_*` by every call
 */
export interface KeyValues extends AsyncDisposable {
  /** For messages: `kvs://abcd`. */
  readonly name: string;
  describe(options?: CallOptions): Promise<{ readonly etag: string; readonly bytes: number }>;
  get(key: string, options?: CallOptions): Promise<string | undefined>;
  /** Every key of the store. */
  list(options?: CallOptions): AsyncIterable<string>;
  /** At most {@link MOST_CHANGES} keys. */
  update(
    changes: KeyChanges & { readonly etag: string },
    options?: CallOptions,
  ): Promise<{ readonly etag: string } | "moved">;
}

/** Most keys that one write changes. @see Amazon CloudFront Developer Guide, "Quotas on key value stores" */
export const MOST_CHANGES = 50;

/** Most bytes of all keys and values. */
export const LARGEST_STORE: number = 5 * 1024 * 1024;

/** Times a write is tried anew because somebody else wrote other keys meanwhile. */
const MOST_TRIES = 20;

/** Changes keys that nobody else changes, as many at a time as go; what happens to other keys is no hindrance. */
export async function changeAll(
  values: KeyValues,
  { puts, deletes }: KeyChanges,
  options?: CallOptions,
): Promise<void> {
  const all = [
    ...puts.map((put) => ({ puts: [put], deletes: [] as string[] })),
    ...deletes.map((key) => ({ puts: [], deletes: [key] })),
  ];
  for (let at = 0; at < all.length; at += MOST_CHANGES) {
    const some = all.slice(at, at + MOST_CHANGES);
    const changes = {
      puts: some.flatMap((one) => one.puts),
      deletes: some.flatMap((one) => one.deletes),
    };
    await change(values, changes, options);
  }
}

async function change(
  values: KeyValues,
  changes: KeyChanges,
  options?: CallOptions,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const { etag } = await values.describe(options);
    const written = await values.update({ ...changes, etag }, options);
    if (written !== "moved") return;
    if (tries >= MOST_TRIES) throw valuesContended(values.name);
  }
}
