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
  readonly anchor: PlannedAnchor | null;
  /** A tag for what another tool had made live, so that the registry keeps it; null when not needed. */
  readonly spare: PlannedAnchor | null;
  /** More of them, where tags pointed at several images. */
  readonly spares?: readonly PlannedAnchor[];
};

/** A tag that is to be made new, and what it points at. */
export type PlannedAnchor = { readonly tag: string; readonly digest: string };

/** What the tags pointed at, with all that is needed to put it back. */
export type ActivateBefore = {
  readonly tags: Readonly<Record<string, Held | null>>;
  /** Digests behind the tags that are made new: null when there are none. */
  readonly anchor: string | null;
  readonly spare: string | null;
  /** The same, by tag. */
  readonly spares?: Readonly<Record<string, string | null>>;
};

/** Every tag that is made new, the release's own first. */
export function anchorsOf({ anchor, spare, spares = [] }: ActivateInput): readonly PlannedAnchor[] {
  return [anchor, spare, ...spares].filter((one) => one !== null);
}

/** The same with what was there before; null: nothing was. */
export function anchorsWith(
  input: ActivateInput,
  before: ActivateBefore,
): readonly (PlannedAnchor & { readonly was: string | null })[] {
  const wasOf = ({ tag }: PlannedAnchor): string | null => {
    if (tag === input.anchor?.tag) return before.anchor;
    return tag === input.spare?.tag ? before.spare : (before.spares?.[tag] ?? null);
  };
  return anchorsOf(input).map((one) => ({ ...one, was: wasOf(one) }));
}
