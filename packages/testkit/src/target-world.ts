import { isLockstepError, type Target } from "@lockstep/plugin";
import type { ForeignEdit } from "./claims.ts";

/** A target in a world that can be looked at from outside. */
export interface TargetWorld {
  readonly target: Target;
  /** Absolute folder that relative sources start from. */
  readonly folder: string;
  /** Variables of the process, for what a platform defines. */
  readonly env?: Readonly<Record<string, string>>;
  /** Secrets by the variable that holds them; no value may show up in a plan, an output, a line or an error. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Makes the source hold version one or two; they differ. */
  build(version: "one" | "two"): Promise<void>;
  /** What users get, by a way that is independent of the plugin; null when there is nothing. */
  observe(): Promise<unknown>;
  dispose?(): Promise<void>;
  /** Somebody else changes what is live; or one line why nobody can. */
  readonly foreignEdit?: ForeignEdit;
}

/** A world for the contract suite, which must know what somebody else can do. */
export type ContractWorld = TargetWorld & Required<Pick<TargetWorld, "foreignEdit">>;

/** What a call of this world may know. */
export function surroundingsOf({ env, secrets, folder }: TargetWorld): {
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
} {
  return { env: { ...env, ...secrets }, folder };
}

/** Keeps what a call returned, or what its errors say, beside all that was seen before. */
export async function noted<T>(seen: unknown[], call: () => Promise<T>): Promise<T> {
  try {
    const result = await call();
    seen.push(result);
    return result;
  } catch (error) {
    const leaves: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
    for (const leaf of leaves) {
      seen.push(String(leaf), isLockstepError(leaf) ? leaf.hint : undefined);
    }
    throw error;
  }
}
