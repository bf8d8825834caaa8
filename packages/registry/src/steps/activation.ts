import type { Held } from "../tags.ts";

/** Which tags are moved, and to what. */
export type ActivateInput = {
  /** `ghcr.io/acme/shop` */
  readonly repository: string;
  /** Digest by tag. */
  readonly moves: Readonly<Record<string, string>>;
  /** Digest each of them pointed at when it was planned; null when there was no such tag. */
  readonly from: Readonly<Record<string, string | null>>;
  /** The release's own tag, which never moves; null when it has one already. */
  readonly anchor: { readonly tag: string; readonly digest: string } | null;
  /** A tag for what another tool had made live, so that the registry keeps it; null when not needed. */
  readonly spare: { readonly tag: string; readonly digest: string } | null;
};

/** What the tags pointed at, with all that is needed to put it back. */
export type ActivateBefore = {
  readonly tags: Readonly<Record<string, Held | null>>;
  /** Digests behind the tags that are made new: null when there are none. */
  readonly anchor: string | null;
  readonly spare: string | null;
};
