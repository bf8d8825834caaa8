import type { TargetContext } from "@lockstep/plugin";
import type { RawManifest } from "./image/model.ts";

/** What tags point at; null where there is no tag. */
export type Tags = ReadonlyMap<string, RawManifest | null>;

/** How long, in milliseconds, a plan may go by a look that came before it. */
export const BEFORE_PLAN_MS = 10_000;
/** How long, in milliseconds, what a check has just read says what is live. */
export const AFTER_CHECK_MS = 1000;

/**
 * What a look at the tags saw, for who looks next: the plan goes by what the run was told is live, and what a check
 * has read back is told as live at the end of the run. Whatever moves between a plan and its activation, that compares
 * and stops; nothing is ever moved or put back by a look that was kept.
 */
export interface Glance {
  keep(tags: Tags): void;
  /** Once, and only while it is fresh. */
  take(): Tags | undefined;
  forget(): void;
}

/** Has seen nothing; what it keeps is fresh for that many milliseconds. */
export function createGlance({ now }: Pick<TargetContext, "now">, freshMs: number): Glance {
  let last: { readonly tags: Tags; readonly at: number } | undefined;
  return {
    keep(tags) {
      last = { tags, at: now() };
    },
    take() {
      const taken = last;
      last = undefined;
      return taken !== undefined && now() - taken.at < freshMs ? taken.tags : undefined;
    },
    forget() {
      last = undefined;
    },
  };
}
