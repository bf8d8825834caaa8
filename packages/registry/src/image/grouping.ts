import type { Entry } from "@lockstep/artifact";

/** Says which layer an entry belongs to. */
export interface Grouping {
  /** From the bottom to the top; what nothing else claims is in the last. */
  readonly order: readonly string[];
  of(entry: Entry): string;
}
