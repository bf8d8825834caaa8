export type { PlanContext, Progress, ReadContext, TargetContext, WriteContext } from "./context.ts";
export { defineTarget, type TargetBody, type TargetKind } from "./define-target.ts";
export {
  type CatalogueEntry,
  type ErrorCatalogue,
  type ErrorFields,
  fenced,
  isLockstepError,
  LockstepError,
  pluginErrors,
  raising,
  sourceChanged,
  stepConflict,
} from "./errors.ts";
export { canonicalJson, type Json } from "./json.ts";
export {
  type Change,
  planned,
  type PlannedStep,
  type PlanRequest,
  type TargetPlan,
  type Until,
} from "./plan.ts";
export { type Checked, checkOptions, type Problem } from "./problems.ts";
export type { Live, Release, Stamp } from "./release.ts";
export {
  isSecret,
  readSecret,
  type Secret,
  secret,
  type SecretSource,
  type SecretSurroundings,
  SHORTEST_SECRET,
} from "./secret.ts";
export type { Check, CheckResult, Retire, Reverted, Step } from "./step.ts";
export { isStore, isStoreKey, type Store, type Stored } from "./store.ts";
export { API_VERSION, type Brand, type Finding, isTarget, type Target } from "./target.ts";
