import type { TargetContext } from "@lockstep/plugin";
import type { RawManifest } from "./image/model.ts";

/** What tags point at; null where there is no tag. */
export type Tags = ReadonlyMap<string, RawManifest | null>;

/** How long, in milliseconds, a plan may go by a look that came before it. */
const FRESH_MS = 10_000;

/**
 * What a look at the tags saw, for the plan that follows it: the plan then goes by what the run was told is live.
 * Whatever moves between them, activation compares and stops.
 */
export interface Glance {
  keep(tags: Tags): void;
  /** Once, and only while it is fresh. */
  take(): Tags | undefined;
  /** To be called before tags are moved. */
  forget(): void;
}

/** Has seen nothing. */
export function createGlance({ now }: Pick<TargetContext, "now">): Glance {
  let last: { readonly tags: Tags; readonly at: number } | undefined;
  return {
    keep(tags) {
      last = { tags, at: now() };
    },
    take() {
      const taken = last;
      last = undefined;
      return taken !== undefined && now() - taken.at < FRESH_MS ? taken.tags : undefined;
    },
    forget() {
      last = undefined;
    },
  };
}
