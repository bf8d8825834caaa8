import type { Json } from "./json.ts";

/** One deployed version of the artifacts of an environment. Made by the CLI, the same for every target of a run. */
export interface Release {
  /** Sorts by time and can be pasted into commands: `20261121T101500Z-4f9c2d1a`, at most 64 characters of `[0-9A-Za-z._-]`. */
  readonly id: string;
  /** Commit the artifacts were built from, as 40 or 64 hex digits. */
  readonly commit?: string;
  /** Grows with every build that may replace an earlier one: commit time in seconds, or a CI run number. */
  readonly order?: number;
  /** RFC 3339, UTC. */
  readonly createdAt: string;
}

/**
 * What a target keeps of the run that last fenced it, so that it can refuse older runs.
 *
 * Within one `lineage` a higher `epoch` is the newer run; two lineages cannot be compared.
 */
export interface Stamp {
  /** Random name of the store whose lease counted the epoch; 32 hex digits. */
  readonly lineage: string;
  /** Whole number from 1 that grows with each run and each recover of an environment. */
  readonly epoch: number;
  /** The run that holds the epoch. */
  readonly run: string;
}

/** What one unit of a target serves now, read from the target itself. */
export interface Live {
  /** Absent where the target has a single pointer. */
  readonly unit?: string;
  /** The target's own name of the live release; null when nothing is live. */
  readonly ref: Json | null;
  /** Releases that could be made live again, the most recently live first; without the live one. */
  readonly kept: readonly Json[];
  /** The stamp the unit carries; absent when no run ever fenced it. */
  readonly stamp?: Stamp;
}
