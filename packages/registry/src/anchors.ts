import type { Digest } from "./digest.ts";

/** How a registry is asked for the releases that are kept. */
export interface AnchorReads {
  /** Tags of releases, the newest first. */
  list(): Promise<readonly string[]>;
  /** What a tag points at; undefined when it is gone. */
  read(tag: string): Promise<Digest | undefined>;
}

/**
 * Releases that are kept, as one run knows them: it looks at what is live again and again, anchors never move,
 * and only a run makes or removes them, of which there is one at a time.
 */
export interface Anchors {
  /** Images behind the anchors, the newest release first, each once. */
  digests(reads: AnchorReads): Promise<readonly Digest[]>;
  /** To be called when an anchor was made or is removed. */
  forget(tag: string): void;
}

/** Starts knowing nothing. A failure is not remembered. */
export function createAnchors(): Anchors {
  const known = new Map<string, Digest>();
  let all: Promise<readonly Digest[]> | undefined;

  async function look({ list, read }: AnchorReads): Promise<readonly Digest[]> {
    const tags = await list();
    const unknown = tags.filter((tag) => !known.has(tag));
    const found = unknown.map(async (tag) => {
      const digest = await read(tag);
      if (digest !== undefined) known.set(tag, digest);
    });
    await Promise.all(found);
    return [...new Set(tags.flatMap((tag) => known.get(tag) ?? []))];
  }

  return {
    digests(reads) {
      if (all !== undefined) return all;
      const looking = look(reads);
      all = looking;
      looking.catch(() => {
        all = undefined;
      });
      return looking;
    },
    forget(tag) {
      all = undefined;
      known.delete(tag);
    },
  };
}
