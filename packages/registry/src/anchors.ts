import type { Release } from "@lockstep/plugin";
import type { Digest } from "./digest.ts";

/** What stands before the digest in the name of an anchor that keeps what another tool had made live. */
const BEFORE = ".before";

/** Hex digits of a digest. */
const DIGITS = 64;

/** Characters that stand behind the beginning of an anchor, at most. */
export const LONGEST_END: number = "20261121T101500Z".length + BEFORE.length + ".".length + DIGITS;

/** A tag that Lockstep gave a release, or what was live before one. It never moves, and says what it points at. */
export interface Anchor {
  readonly tag: string;
  /** When the release was made: `20261121T101500Z`. */
  readonly made: string;
  readonly digest: Digest;
  readonly isBefore: boolean;
}

/**
 * The tag that an image keeps for good: that of a release, or of what was live before it. With its digest in its
 * name, a list of tags says all that can be returned to.
 */
export function anchorOf(
  prefix: string,
  { createdAt }: Pick<Release, "createdAt">,
  { digest, isBefore = false }: { readonly digest: string; readonly isBefore?: boolean },
): string {
  const made = createdAt.replaceAll(/[-:]|\.\d+/g, "");
  return `${prefix}${made}${isBefore ? BEFORE : ""}.${digest.slice("sha256:".length)}`;
}

/** Of all tags the ones Lockstep made for releases, the newest release first. */
export function anchorsIn(tags: readonly string[], prefix: string): Anchor[] {
  return tags
    .filter((tag) => tag.startsWith(prefix))
    .flatMap((tag): Anchor[] => {
      const end = tag.slice(prefix.length);
      const found = /^(\d{8}T\d{6}Z)(\.before)?\.([0-9a-f]{64})$/.exec(end);
      const [, made = "", before, hex = ""] = found ?? [];
      if (found === null) return [];
      return [{ tag, made, digest: `sha256:${hex}`, isBefore: before !== undefined }];
    })
    .toSorted((left, right) => {
      if (left.made !== right.made) return left.made < right.made ? 1 : -1;
      return Number(left.isBefore) - Number(right.isBefore);
    });
}

/** A write of this run to the anchors. */
export type AnchorWrite = { readonly made: string } | { readonly removed: string };

/**
 * Tags of a repository, as one run knows them: it looks at what is live again and again, and only a run makes or
 * removes anchors, of which there is one at a time.
 */
export interface KnownTags {
  /** All tags; listed when they are not known. A failure is not remembered. */
  all(list: () => Promise<readonly string[]>): Promise<readonly string[]>;
  /** Writes to an anchor. When that fails, nobody knows what became of it, and tags are listed anew. */
  write<T>(change: AnchorWrite, send: () => Promise<T>): Promise<T>;
}

/** Starts knowing nothing. */
export function createKnownTags(): KnownTags {
  let known: Promise<readonly string[]> | undefined;
  return {
    all(list) {
      if (known !== undefined) return known;
      const listing = list();
      known = listing;
      listing.catch(() => {
        known = undefined;
      });
      return listing;
    },
    async write(change, send) {
      const before = known;
      known = undefined;
      const sent = await send();
      known = before?.then((tags) => after(tags, change));
      return sent;
    },
  };
}

function after(tags: readonly string[], change: AnchorWrite): readonly string[] {
  if ("removed" in change) return tags.filter((tag) => tag !== change.removed);
  return tags.includes(change.made) ? tags : [...tags, change.made];
}
