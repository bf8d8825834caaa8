import type { StandardSchemaV1 } from "@standard-schema/spec";
import { checkOptions } from "./problems.ts";
import { API_VERSION, type Target } from "./target.ts";

/** What a target is besides its brand and its problems. */
export type TargetBody<C extends AsyncDisposable> = Omit<Target<C>, "~lockstep" | "problems">;

/** A kind of target: what a plugin package provides. */
export interface TargetKind<Options, C extends AsyncDisposable> {
  /** Name and version of the npm package. */
  readonly plugin: string;
  readonly version: string;
  readonly schema: StandardSchemaV1<unknown, Options>;
  /** Makes a target of checked options. Touches nothing. */
  make(options: Options): TargetBody<C>;
}

/**
 * Makes a target of the options a user wrote.
 *
 * Wrong options do not throw: the target then carries all its problems, so that the runner reports
 * those of every target at once, each with its full path.
 */
export function defineTarget<Options, C extends AsyncDisposable>(
  { plugin, version, schema, make }: TargetKind<Options, C>,
  written: unknown,
): Target<C> {
  const brand = { api: API_VERSION, plugin, version } as const;
  const checked = checkOptions(schema, written);
  if (checked.problems === undefined) return { "~lockstep": brand, ...make(checked.value) };

  return {
    "~lockstep": brand,
    problems: checked.problems,
    places: [],
    traits: { fencing: "none" },
    steps: [],
    connect: unusable,
    live: unusable,
    plan: unusable,
  };
}

function unusable(): never {
  throw new TypeError("This target has problems in its options and cannot be used.");
}
